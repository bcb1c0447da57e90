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
)
from agentkit.testing.server_script import read_script


def _request(*, number: int = 0, answered: int = 0) -> ReceivedRequest:
    messages = [{"role": "user"}, *([{"role": "assistant"}, {"role": "tool"}] * answered)]
    return ReceivedRequest(number, {}, {"messages": messages})


def _written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "script.json"
    file.write_text(text)
    return file


def test_a_file_answers_in_order(tmp_path: Path) -> None:
    script = read_script(
        _written(tmp_path, '{"answers": [{"text": "a"}, {"status": 500}, {"body": "<p>"}, {"calls": [{"name": "x"}]}]}')
    )
    answers = [script(_request(number=number)) for number in range(4)]
    expected = [
        ServerResponse(text="a"),
        ServerFailure(status=500),
        RawResponse(body="<p>"),
        ServerResponse(calls=(ServerToolCall(name="x"),)),
    ]
    assert answers == expected


def test_a_file_answers_by_step(tmp_path: Path) -> None:
    script = read_script(_written(tmp_path, '{"by": "step", "answers": [{"text": "a"}, {"text": "b"}]}'))
    assert script(_request(number=7, answered=1)) == ServerResponse(text="b")


def test_a_benchmark_calls_a_tool_so_many_times_then_ends(tmp_path: Path) -> None:
    script = read_script(_written(tmp_path, '{"benchmark": {"steps": 2, "tool": "clock", "arguments": {}}}'))
    answers = [script(_request(number=9, answered=answered)) for answered in (0, 1, 2)]
    assert [isinstance(answer, ServerResponse) and [call.name for call in answer.calls] for answer in answers] == [
        ["clock"],
        ["clock"],
        [],
    ]
    assert isinstance(answers[0], ServerResponse)
    assert len(answers[0].text) == 400


@pytest.mark.parametrize("steps", [0, 1])
def test_a_benchmark_may_be_short(steps: int) -> None:
    assert BenchmarkTask(steps=steps).script()(_request(answered=steps)) == ServerResponse(text="done")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{}", id="neither answers nor benchmark"),
        pytest.param('{"answers": [{}], "benchmark": {"steps": 1}}', id="both"),
        pytest.param('{"answers": [{"txt": "a"}]}', id="an unknown key"),
        pytest.param('{"answers": [{"status": 200}]}', id="a failure that is none"),
    ],
)
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValidationError):
        read_script(_written(tmp_path, text))
