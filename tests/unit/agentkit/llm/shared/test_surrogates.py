"""Characters that were cut in half are mended."""

from __future__ import annotations

import pytest

from agentkit.interfaces import ModelRequest
from agentkit.llm.shared.redaction import redact_keys
from agentkit.llm.shared.response_builder import ResponseBuilder
from agentkit.llm.shared.surrogates import ends_with_high_surrogate, repair_surrogates, repair_json_surrogates
from agentkit.messages import ThinkingPart, user_message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Grüße \U0001f600", "Grüße \U0001f600", id="nothing to mend"),
        pytest.param("\ud83d\ude00!", "\U0001f600!", id="two halves"),
        pytest.param("a\ud83db", "a\ufffdb", id="a first half alone"),
        pytest.param("a\ude00", "a\ufffd", id="a second half alone"),
    ],
)
def test_halves_that_meet_are_joined_and_others_replaced(text: str, expected: str) -> None:
    assert repair_surrogates(text) == expected
    assert repair_json_surrogates({text: [text]}) == {expected: [expected]}


@pytest.mark.parametrize(("text", "expected"), [("a\ud83d", True), ("a\ude00", False), ("a", False), ("", False)])
def test_only_a_first_half_at_the_end_waits_for_more(text: str, expected: bool) -> None:
    assert ends_with_high_surrogate(text) is expected


def test_arguments_thoughts_and_errors_are_mended_too() -> None:
    output = Output(ModelRequest(model="test:model", system="", messages=(user_message("hi"),)), None)
    call = output.call("c1", "add", '{"a": "\ud83d\ude00"}')
    thought = ThinkingPart(text="\ud83d", data=[{"text": "\ud83d\ude00"}])
    response = output.response([thought, call], "tool_calls", None)
    assert call.arguments == {"a": "\U0001f600"}
    assert response.message.parts[0] == ThinkingPart(text="\ufffd", data=[{"text": "\U0001f600"}])
    assert redact_keys("no \ud83d", "a-long-key") == "no \ufffd"
