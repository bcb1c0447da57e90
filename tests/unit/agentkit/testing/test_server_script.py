from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from agentkit.testing import (
    BenchmarkTask,
    RawResponse,
    ReceivedRequest,
    ServerFailure,
    ServerResponse,
    ServerToolCall,
    script_by_step,
    script_in_order,
)
from agentkit.testing.server_script import read_script


def _request(*, number: int = 0, responses: int = 0) -> ReceivedRequest:
    messages = [{"role": "user"}, *([{"role": "assistant"}, {"role": "tool"}] * responses)]
    return ReceivedRequest(number, {}, {"messages": messages})


def _write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "script.json"
    file.write_text(text)
    return file


def test_a_file_gives_its_responses_in_order(tmp_path: Path) -> None:
    responses = '[{"text": "a"}, {"status": 500}, {"body": "<p>"}, {"calls": [{"name": "x"}]}]'
    script = read_script(_write(tmp_path, f'{{"responses": {responses}}}'))
    assert [script(_request(number=number)) for number in range(4)] == [
        ServerResponse(text="a"),
        ServerFailure(status=500),
        RawResponse(body="<p>"),
        ServerResponse(calls=(ServerToolCall(name="x"),)),
    ]


def test_a_file_gives_its_responses_by_step(tmp_path: Path) -> None:
    script = read_script(_write(tmp_path, '{"by": "step", "responses": [{"text": "a"}, {"text": "b"}]}'))
    assert script(_request(number=7, responses=1)) == ServerResponse(text="b")


def test_a_request_after_the_last_response_fails() -> None:
    for script, request in (
        (script_in_order([RawResponse(body="")]), _request(number=1)),
        (script_by_step([RawResponse(body="")]), _request(number=0, responses=1)),
    ):
        failure = script(request)
        assert isinstance(failure, ServerFailure)
        assert failure.status == 400
        assert "no response number 1" in failure.message


def test_a_benchmark_calls_a_tool_so_many_times_then_ends(tmp_path: Path) -> None:
    script = read_script(_write(tmp_path, '{"benchmark": {"steps": 2, "tool": "clock", "arguments": {}}}'))
    first, second, last = [script(_request(number=9, responses=responses)) for responses in range(3)]
    assert isinstance(first, ServerResponse)
    assert [call.name for call in first.calls] == ["clock"]
    assert len(first.text) == 400
    assert second == first
    assert last == ServerResponse(text="done")


@pytest.mark.parametrize("steps", [0, 1])
def test_a_benchmark_may_be_short(steps: int) -> None:
    assert BenchmarkTask(steps=steps).script()(_request(responses=steps)) == ServerResponse(text="done")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{}", id="neither responses nor benchmark"),
        pytest.param('{"responses": [{}], "benchmark": {"steps": 1}}', id="both"),
        pytest.param('{"responses": [{"txt": "a"}]}', id="an unknown key"),
        pytest.param('{"responses": [{"status": 200}]}', id="a failure that is none"),
    ],
)
def test_a_file_that_is_not_a_script_is_rejected(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValidationError):
        read_script(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        pytest.param("messages", {"role": "user", "content": "Hi"}, id="text"),
        pytest.param("messages", {"role": "user", "content": [{"type": "text", "text": "Hi"}]}, id="Anthropic's parts"),
        pytest.param("contents", {"role": "user", "parts": [{"text": "H"}, {"text": "i"}]}, id="Google's parts"),
        pytest.param("input", {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, id="OpenAI's items"),
    ],
)
def test_the_last_text_is_read_in_every_format(field: str, message: dict[str, object]) -> None:
    assert ReceivedRequest(0, {}, {field: [{"role": "user", "content": "First"}, message]}).last_text == "Hi"
    assert ReceivedRequest(0, {}, {}).last_text == ""


def test_a_response_is_cut_into_chunks_and_its_tokens_are_estimated() -> None:
    response = ServerResponse(text="abcdefgh", calls=(ServerToolCall(name="clock", arguments="{}"),), chunk_chars=3)
    assert list(response.chunks(response.text)) == ["abc", "def", "gh"]
    assert response.token_counts == (10, 3, 0)
    assert response.model_copy(update={"usage": (7, 3, 2)}).token_counts == (7, 3, 2)
