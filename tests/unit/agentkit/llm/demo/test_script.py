from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.llm.demo.script import parse_script
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
            'call a {"x": 1} & b & c {}', [_call("a", x=1), _call("b"), _call("c")], id="joined, call left out"
        ),
        pytest.param('call a {"x": "1 & 2"} & b', [_call("a", x="1 & 2"), _call("b")], id="the joint inside JSON"),
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
def test_calls_are_read(line: str, calls: list[ToolCall]) -> None:
    assert list(parse_script(line).response(0).calls) == calls


@given(st.text())
def test_any_text_is_a_script_with_a_response_for_every_place(text: str) -> None:
    script = parse_script(text)
    for place in (0, 1, 1000):
        script.response(place)


@given(st.lists(st.sampled_from(["call ", "a", "{", "}", '"', " & ", "&", "[", ":", "1", " ", "{}"]), max_size=12))
def test_no_call_line_hangs_or_raises(pieces: list[str]) -> None:
    parse_script("call " + "".join(pieces))
