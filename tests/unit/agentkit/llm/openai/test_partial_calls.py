"""Tool calls in the increments of many servers: a tuple for each increment, with index, id, name and arguments."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agentkit.llm.openai.chat_chunk import ChatToolCall
from agentkit.llm.openai.partial_calls import PartialCalls

Increment = tuple[int | None, str, str, str]
TOOLS = ("wipe", "get", "get_weather", "go", "gogo")


def _delta(increment: Increment) -> ChatToolCall:
    index, call_id, name, arguments = increment
    function = {"name": name, "arguments": arguments}
    return ChatToolCall.model_validate({"index": index, "id": call_id, "function": function})


def _calls(*chunks: Increment | Sequence[Increment]) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of the calls that are received in these chunks."""
    calls = PartialCalls(TOOLS)
    for chunk in chunks:
        increments = [chunk] if isinstance(chunk, tuple) else chunk
        calls.add([_delta(increment) for increment in increments])
    return [(call.id, call.name, call.arguments) for call in calls.received]


ONE = ("a", "wipe", '{"path": "/x"}')
START, END = '{"path": ', '"/x"}'


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([(0, "a", "wipe", START + END)], id="whole"),
        pytest.param([(0, "a", "wipe", ""), (0, "", "", START), (0, "", "", END)], id="OpenAI"),
        pytest.param([(0, "a", "wipe", ""), (0, "a", "wipe", START), (0, "a", "wipe", END)], id="name repeated"),
        pytest.param([(0, "a", "wipe", ""), (0, "", "wipe", START), (0, "", "wipe", END)], id="name repeated, no id"),
        pytest.param([(0, "a", "wipe", ""), (0, "b", "", START), (0, "c", "", END)], id="new id each time"),
        pytest.param([(0, "a", "wipe", ""), (0, "b", "wipe", START), (0, "c", "wipe", END)], id="new id, and the name"),
        pytest.param([(0, "a", "wi", ""), (0, "", "pe", ""), (0, "", "", START + END)], id="name in pieces"),
        pytest.param([(0, "a", "wi", ""), (0, "", "wipe", START), (0, "", "", END)], id="name sent again, longer"),
        pytest.param([(None, "a", "wipe", ""), (None, "", "", START), (None, "", "", END)], id="no index"),
        pytest.param([(None, "a", "wipe", ""), (None, "a", "", START), (None, "a", "", END)], id="no index, one id"),
        pytest.param([(None, "a", "wipe", ""), (None, "b", "", START), (None, "c", "", END)], id="no index, new ids"),
        pytest.param([(0, "a", "wipe", ""), (1, "a", "", START), (2, "a", "", END)], id="new index each time"),
        pytest.param([(0, "a", "wipe", ""), (1, "b", "", START), (2, "c", "", END)], id="new index and id each time"),
        pytest.param([(0, "a", "", ""), (0, "", "wipe", START), (0, "", "", END)], id="name after the id"),
        pytest.param([(0, "", "wipe", START), (0, "a", "", END)], id="id at the end"),
        pytest.param([(0, "a", "wipe", START + END), (0, "a", "wipe", "")], id="name again at the end"),
        pytest.param([(0, "a", "wipe", START + END), (0, "", "", "")], id="nothing at the end"),
        pytest.param([(0, "", "", ""), (0, "a", "wipe", START + END)], id="nothing at the beginning"),
        pytest.param([[(0, "a", "wipe", START), (0, "a", "", END)]], id="two increments in one chunk"),
    ],
)  # fmt: skip
def test_increments_of_one_call_are_one_call(chunks: Sequence[Increment]) -> None:
    assert _calls(*chunks) == [ONE]


FIRST, SECOND = ("a", "get", '{"a": 1}'), ("b", "wipe", '{"b": 2}')


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([(0, *FIRST), (1, *SECOND)], id="whole"),
        pytest.param([[(0, *FIRST), (1, *SECOND)]], id="in one chunk"),
        pytest.param([(0, *FIRST), (0, *SECOND)], id="one index for all"),
        pytest.param([[(0, *FIRST), (0, *SECOND)]], id="one index for all, in one chunk"),
        pytest.param([(None, *FIRST), (None, *SECOND)], id="no index"),
        pytest.param([[(None, *FIRST), (None, *SECOND)]], id="no index, in one chunk"),
        pytest.param(
            [(0, "a", "get", ""), (0, "", "", '{"a": 1}'), (0, "b", "wipe", ""), (0, "", "", '{"b": 2}')],
            id="one index for all, in pieces",
        ),
        pytest.param(
            [(0, "a", "get", '{"a"'), (1, "b", "wipe", '{"b"'), (0, "", "", ": 1}"), (1, "", "", ": 2}")],
            id="interleaved by index",
        ),
        pytest.param(
            [(0, "a", "get", '{"a"'), (0, "b", "wipe", '{"b"'), (0, "a", "", ": 1}"), (0, "b", "", ": 2}")],
            id="interleaved by id",
        ),
        pytest.param(
            [(None, "a", "get", '{"a"'), (None, "b", "wipe", '{"b"'), (None, "a", "", ": 1}"), (None, "b", "", ": 2}")],
            id="interleaved by id, no index",
        ),
    ],
)
def test_two_calls_are_kept_apart(chunks: Sequence[Increment]) -> None:
    assert _calls(*chunks) == [FIRST, SECOND]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([(0, "", "get", '{"a": 1}'), (1, "", "get", '{"a": 1}')], id="by index"),
        pytest.param([(0, "", "get", '{"a": 1}'), (0, "", "get", '{"a": 1}')], id="one index for all"),
        pytest.param([(None, "", "get", '{"a": 1}'), (None, "", "get", '{"a": 1}')], id="no index"),
        pytest.param([[(None, "", "get", '{"a": 1}'), (None, "", "get", '{"a": 1}')]], id="no index, in one chunk"),
    ],
)
def test_equal_calls_without_ids_are_two(chunks: Sequence[Increment]) -> None:
    assert _calls(*chunks) == [("", "get", '{"a": 1}')] * 2


@pytest.mark.parametrize("arguments", ["{}", ""], ids=["empty object", "nothing"])
def test_calls_without_arguments_are_distinguished_by_their_ids(arguments: str) -> None:
    chunks = [(0, "a", "get", arguments), (0, "b", "get", arguments)]
    assert _calls(*chunks) == [("a", "get", arguments), ("b", "get", arguments)]


def test_one_id_for_all_calls_is_kept() -> None:
    chunks = [(0, "x", "get", '{"a": 1}'), (1, "x", "wipe", ""), (1, "x", "", '{"b": 2}')]
    assert _calls(*chunks) == [("x", "get", '{"a": 1}'), ("x", "wipe", '{"b": 2}')]


@pytest.mark.parametrize(
    ("pieces", "name"),
    [(("get", "_weather"), "get_weather"), (("go", "go"), "go"), (("get", "get"), "get"), (("unknown",), "unknown")],
)
def test_a_name_is_joined_only_to_the_name_of_a_tool(pieces: Sequence[str], name: str) -> None:
    assert _calls(*((0, "a", piece, "") for piece in pieces)) == [("a", name, "")]


def test_calls_of_a_complete_response_are_never_joined() -> None:
    calls = PartialCalls(TOOLS)
    for _ in range(2):
        calls.add_complete(_delta((None, "x", "get", "{}")))
    assert [(call.id, call.name, call.arguments) for call in calls.received] == [("x", "get", "{}")] * 2
