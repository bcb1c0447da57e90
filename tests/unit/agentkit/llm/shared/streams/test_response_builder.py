from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelOutputInvalid
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.shared.output_tool import OUTPUT_TOOL
from agentkit.llm.shared.streams.response_builder import MAX_OUTPUT_CHARS, DeltaKind, ResponseBuilder
from agentkit.messages import ContentPart, TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.specs import ModelSettings, ToolSpec

ISSUE = ToolSpec(name="mcp:github/issue", description="", parameters={})
REQUEST = ModelRequest(
    model="test:model",
    system="",
    messages=(user_message("Hi"),),
    tools=(ISSUE,),
    output_schema={"type": "object"},
)


class TextBuilder(ResponseBuilder):
    """The smallest subclass: its response is a fixed text."""

    def add(self, received: object) -> None:
        raise NotImplementedError

    def add_complete(self, received: object) -> None:
        raise NotImplementedError

    def add_end(self) -> None:
        raise NotImplementedError

    def build(self) -> ModelResponse:
        return self.assemble([TextPart(text="Noon.")], "end", None)


def _builder(deltas: list[ModelDelta] | None = None, *, output_tool: bool = False) -> TextBuilder:
    emit = deltas.append if deltas is not None else None
    return TextBuilder(REQUEST, emit, tool_name=lambda name: name.upper(), output_tool=output_tool)


def test_deltas_are_emitted_in_order_and_count_as_output() -> None:
    deltas: list[ModelDelta] = []
    builder = _builder(deltas)
    steps: list[tuple[DeltaKind, str]] = [("thinking", ""), ("thinking", "Hmm."), ("text", "Noon.")]
    has_output: list[bool] = []
    for kind, text in steps:
        builder.emit_delta(kind, text)
        has_output.append(builder.has_output)
    assert has_output == [False, True, True]
    assert deltas == [ModelDelta("thinking", "Hmm."), ModelDelta("text", "Noon.")]


def test_a_surrogate_pair_in_two_deltas_is_emitted_as_one_character() -> None:
    deltas: list[ModelDelta] = []
    builder = _builder(deltas)
    for text in ("Yes \ud83d", "\ude00", "!"):
        builder.emit_delta("text", text)
    assert [delta.text for delta in deltas] == ["Yes ", "\U0001f600", "!"]


@pytest.mark.parametrize("deltas", [None, []], ids=["nothing is emitted", "deltas are emitted"])
def test_a_response_above_the_limit_is_an_error(deltas: list[ModelDelta] | None) -> None:
    builder = _builder(deltas)
    builder.emit_delta("text", "x" * MAX_OUTPUT_CHARS)
    with pytest.raises(ModelOutputInvalid, match="test:model wrote more than 1,048,576 characters"):
        builder.emit_delta(None, "x")


@pytest.mark.parametrize(
    ("arguments_json", "expected"),
    [
        pytest.param('{"a": "\ud83d\ude00"}', {"arguments": {"a": "\U0001f600"}}, id="an object"),
        pytest.param("", {"arguments": {}}, id="nothing"),
        pytest.param("[\ud83d]", {"malformed": "[\ufffd]"}, id="malformed"),
    ],
)
def test_a_tool_call_has_the_name_of_the_tool_and_valid_arguments(
    arguments_json: str, expected: dict[str, object]
) -> None:
    call = _builder().tool_call("1", ISSUE.name.upper(), arguments_json)
    assert call == ToolCall.model_validate({"id": "1", "name": ISSUE.name, **expected})


def test_a_tool_that_does_not_exist_keeps_its_name() -> None:
    assert _builder().tool_call("1", "CLOCK", "{}").name == "CLOCK"


def test_a_call_of_the_output_tool_becomes_text_and_is_emitted() -> None:
    deltas: list[ModelDelta] = []
    part = _builder(deltas, output_tool=True).tool_call_part("1", OUTPUT_TOOL, '{"a": 1}')
    assert part == TextPart(text='{"a": 1}')
    assert deltas == [ModelDelta("text", '{"a": 1}')]


def test_a_tool_with_the_name_of_the_output_tool_is_an_ordinary_one_if_no_output_tool_was_sent() -> None:
    builder = _builder()
    assert not builder.is_output_tool(OUTPUT_TOOL)
    assert isinstance(builder.tool_call_part("1", OUTPUT_TOOL, "{}"), ToolCall)


def test_the_response_has_valid_unicode_in_all_its_parts() -> None:
    thought = ThinkingPart(text="\ud83d", data=[{"text": "\ud83d\ude00"}])
    response = _builder().assemble([thought, TextPart(text="\ude00")], "end", None)
    assert response.message.parts == (
        ThinkingPart(text="\ufffd", data=[{"text": "\U0001f600"}]),
        TextPart(text="\ufffd"),
    )


def test_usage_is_that_of_the_provider_and_estimated_without_one() -> None:
    reported = Usage(input_tokens=7, output_tokens=8, model_calls=1)
    text = [TextPart(text="x" * 40)]
    assert _builder().assemble(text, "end", reported).usage == reported
    assert _builder().assemble(text, "end", None).usage.output_tokens == 10


@pytest.mark.parametrize("missing", ["input_tokens", "output_tokens"])
def test_a_count_that_the_provider_leaves_out_is_estimated(missing: str) -> None:
    reported = Usage(input_tokens=700, output_tokens=800, cached_tokens=5, model_calls=1)
    text = [TextPart(text="x" * 40)]
    estimate = _builder().assemble(text, "end", None).usage
    usage = _builder().assemble(text, "end", reported.model_copy(update={missing: 0})).usage
    assert usage == reported.model_copy(update={missing: getattr(estimate, missing)})


def test_thinking_in_tags_becomes_a_part_and_a_delta_of_its_own() -> None:
    deltas: list[ModelDelta] = []
    builder = _builder(deltas)
    for chunk in ("<thi", "nk>Hm", "</think>\n", "\nNoon", "."):
        builder.emit_delta("text", chunk)
    text = TextPart(text="<think>Hm</think>\n\nNoon.")
    parts = builder.assemble([text, TextPart(text="<think>x</think>")], "end", None).message.parts
    tags: JsonValue = {"tags": ["<think>", "</think>"]}
    thought = ThinkingPart(text="Hm", provider="test", data=tags)
    assert parts == (thought, TextPart(text="Noon."), TextPart(text="<think>x</think>"))
    assert deltas == [ModelDelta("thinking", "Hm"), ModelDelta("text", "Noon"), ModelDelta("text", ".")]


@pytest.mark.parametrize("kind", ["tool_arguments", None])
def test_text_that_was_held_back_is_emitted_in_its_place(kind: DeltaKind | None) -> None:
    deltas: list[ModelDelta] = []
    builder = _builder(deltas)
    builder.emit_delta("text", "<")
    builder.emit_delta(kind, "{}")
    builder.assemble([TextPart(text="<")], "end", None)
    assert [delta.kind for delta in deltas] == ["text", *([kind] if kind else [])]


def test_text_beside_the_output_is_left_out_unless_another_tool_is_called() -> None:
    builder = _builder(output_tool=True)
    output = builder.tool_call_part("1", OUTPUT_TOOL, '{"a": 1}')
    parts: list[ContentPart] = [ThinkingPart(text="Hm"), TextPart(text="Here: "), output]
    assert builder.assemble(parts, "end", None).message.text == '{"a": 1}'
    call = ToolCall(id="2", name="clock")
    assert builder.assemble([*parts, call], "tool_calls", None).message.text == 'Here: {"a": 1}'


@pytest.mark.parametrize(
    ("limit", "arguments", "expected"),
    [
        pytest.param(50, '{"a', "length", id="limit reached"),
        pytest.param(51, '{"a', "tool_calls", id="limit not reached"),
        pytest.param(None, '{"a', "tool_calls", id="no limit"),
        pytest.param(50, '{"a": 1}', "tool_calls", id="complete"),
    ],
)
def test_a_call_that_ends_in_the_middle_at_the_output_limit_is_cut_off(
    limit: int | None, arguments: str, expected: str
) -> None:
    settings = ModelSettings(max_output_tokens=limit)
    builder = TextBuilder(replace(REQUEST, settings=settings), None)
    usage = Usage(input_tokens=9, output_tokens=50, model_calls=1)
    call = builder.tool_call_part("1", "clock", arguments)
    assert builder.assemble([call], "tool_calls", usage).stop_reason == expected


def test_a_refusal_with_text_is_a_response_and_without_it_an_error() -> None:
    assert _builder().assemble([TextPart(text="I won't.")], "refusal", None).stop_reason == "refusal"
    with pytest.raises(ContentRefused, match="content filter of test:model"):
        _builder().assemble([ThinkingPart(text="Hmm.")], "refusal", None)


def test_an_incomplete_response_differs_from_none_at_all() -> None:
    builder = _builder()
    assert "was no response at all" in str(builder.incomplete_error())
    builder.emit_delta("text", "So")
    assert "was cut off in the middle" in str(builder.incomplete_error())
