from __future__ import annotations

import pytest

from agentkit.errors import ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolUnavailable
from agentkit.tools.host.host_messages import MAX_MESSAGE_BYTES, LineBuffer, decode, encode, error_record, read_error


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("line\nbreak \N{LINE SEPARATOR} ü 🚀", id="text"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param(10**40, id="large integer"),
        pytest.param([1.5, float("inf"), None, True], id="list"),
        pytest.param(eval("[" * 190 + "]" * 190), id="nested"),
    ],
)
def test_a_message_is_one_line_that_decodes_to_the_same(value: object) -> None:
    line = encode({"value": value})
    assert line.count(b"\n") == 1
    assert decode(line) == {"value": value}


@pytest.mark.parametrize(
    "line", [b"noise", b"[1]", b"null", b"\xff", b"[" * 1_000_000], ids=["text", "list", "null", "bytes", "deep"]
)
def test_anything_but_a_json_object_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of several kinds
        decode(line)


def test_lines_are_put_together_from_any_parts() -> None:
    buffer = LineBuffer()
    assert [buffer.feed(part) for part in (b"on", b"e\ntwo\nthr", b"", b"ee", b"\n")] == [
        [],
        [b"one", b"two"],
        [],
        [],
        [b"three"],
    ]


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * MAX_MESSAGE_BYTES)
    with pytest.raises(ValueError, match="a line of more than"):
        buffer.feed(b"x")


class StationClosed(ToolUnavailable):
    """An error that only a project has."""


@pytest.mark.parametrize(
    ("error", "received"),
    [
        pytest.param(ToolError("a"), ToolError, id="ToolError"),
        pytest.param(ToolArgumentsInvalid("a"), ToolArgumentsInvalid, id="ToolArgumentsInvalid"),
        pytest.param(StationClosed("a"), ToolUnavailable, id="a subclass of the project's own"),
        pytest.param(ToolInterrupted("a"), ToolError, id="one that only a worker raises"),
    ],
)
def test_an_error_keeps_its_type_and_text(error: ToolError, received: type[ToolError]) -> None:
    read = read_error(error_record(error, 100))
    assert (type(read), str(read)) == (received, "a")


def test_a_long_text_of_an_error_is_cut() -> None:
    assert str(read_error(error_record(ToolError("x" * 200), 100))) == "x" * 100


def test_an_error_of_an_unknown_type_is_a_tool_error() -> None:
    assert type(read_error({"error_type": "SystemExit", "message": "a"})) is ToolError
