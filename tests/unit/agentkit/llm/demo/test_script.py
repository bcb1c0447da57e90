from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.llm.demo.script import DemoFailure, DemoResponse, parse_script
from agentkit.messages import ToolCall


def _call(name: str, malformed: str | None = None, **arguments: object) -> ToolCall:
    return ToolCall.model_validate({"id": "", "name": name, "arguments": arguments, "malformed": malformed})


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        pytest.param("call clock", [_call("clock")], id="no arguments"),
        pytest.param('call add {"a": 1, "b": [2]}', [_call("add", a=1, b=[2])], id="arguments"),
        pytest.param('call a {"x": 1} & call b {"y": 2}', [_call("a", x=1), _call("b", y=2)], id="joined"),
        pytest.param(
            'call a {"x": 1} & b & c {}', [_call("a", x=1), _call("b"), _call("c")], id="joined, without the word call"
        ),
        pytest.param('call a {"x": "1 & 2"} & b', [_call("a", x="1 & 2"), _call("b")], id="the separator inside JSON"),
        pytest.param("call mcp:github/list", [_call("mcp:github/list")], id="a qualified name"),
        pytest.param('call add{"a": 1}', [_call("add", a=1)], id="no space"),
        pytest.param("call add nope & b", [_call("add", "nope"), _call("b")], id="no JSON"),
        pytest.param('call add {"a": & b', [_call("add", '{"a":'), _call("b")], id="broken JSON"),
        pytest.param("call add [1]", [_call("add", "[1]")], id="JSON, but no object"),
        pytest.param('call add {"a": NaN}', [_call("add", '{"a": NaN}')], id="no JSON number"),
        pytest.param('call add {"a": 1} and more', [_call("add", '{"a": 1} and more')], id="more after the JSON"),
        pytest.param('call {"a": 1}', [_call("", a=1)], id="no name"),
    ],
)
def test_call_lines_are_parsed(line: str, calls: list[ToolCall]) -> None:
    assert list(parse_script(line).response(0).calls) == calls


@given(st.text())
def test_after_the_last_line_of_any_text_the_response_is_an_echo(text: str) -> None:
    script = parse_script(text)
    echo = script.response(1_000)
    assert (echo.calls, echo.text) == ((), None)
    assert script.response(len(script.responses)) == echo


@given(st.lists(st.sampled_from(["call ", "a", "{", "}", '"', " & ", "&", "[", ":", "1", " ", "{}"]), max_size=12))
def test_every_line_that_starts_with_call_is_one_response(tokens: list[str]) -> None:
    assert len(parse_script("call " + "".join(tokens)).responses) == 2, "the call and the echo at the end"


def test_modifiers_before_one_response_add_up() -> None:
    script = parse_script("think 20\nfail 500 x1\nthink 5\nfail 401\nsay ok\nsay more")
    response = script.response(0)
    assert (response.text, response.thinking_ms) == ("ok", 25)
    assert response.failure(attempt=1) == DemoFailure(status=500, attempts=1)
    assert response.failure(attempt=2) == DemoFailure(status=401)
    assert script.response(1) == DemoResponse(text="more")
