from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from agentkit.interfaces import Memory, MemoryScope
from agentkit.messages import Message, TextPart, ToolCall, ToolResult, user_message
from agentkit.runtime.memory_extraction import MAX_EXTRACTED_FACTS, ExtractedFact, extraction_request, read_facts

TOLD = datetime(2026, 3, 1, tzinfo=UTC)
STORED = Memory(
    id="memory-1",
    text="Ada lives in Paris.",
    scope=MemoryScope(kind="user", owner="ada"),
    created_at=TOLD,
    updated_at=TOLD,
)


def test_the_request_has_the_transcript_and_what_is_stored_and_no_notes_of_memory() -> None:
    messages = [
        user_message("I moved to Rome."),
        Message(role="user", parts=(TextPart(text="Notes from long-term memory"),), source="memory"),
        Message(role="assistant", parts=(ToolCall(id="1", name="find", arguments={"q": "Rome"}),)),
        Message(role="tool", parts=(ToolResult(call_id="1", name="find", content="A city."),)),
    ]
    request = extraction_request("demo:demo", messages, [STORED], 2)
    text = request.messages[0].text
    assert (request.model, request.attempt, request.tools) == ("demo:demo", 2, ())
    assert '"id": "memory-1"' in text
    assert text.endswith('user: I moved to Rome.\nassistant calls find {"q": "Rome"}\nfind returned: A city.')


def test_facts_are_read_with_what_they_replace() -> None:
    facts = [
        {"text": " Ada lives in Rome. ", "replaces": "memory-1"},
        {"text": "Ada likes tea.", "replaces": "memory-9"},
        {"text": "Ada has a cat."},
    ]
    assert read_facts(f"```json\n{json.dumps({'facts': facts})}\n```", [STORED]) == [
        ExtractedFact("Ada lives in Rome.", "memory-1"),
        ExtractedFact("Ada likes tea.", None),
        ExtractedFact("Ada has a cat.", None),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "Nothing to remember.", "[1, 2]", '{"facts": "none"}', '{"facts": [1, {"text": ""}, {"text": 5}]}'],
    ids=["empty", "prose", "no object", "no list", "no texts"],
)
def test_what_has_another_form_is_no_fact(text: str) -> None:
    assert list(read_facts(text, [])) == []


def test_the_facts_of_one_task_are_limited() -> None:
    facts = [{"text": f"Fact {number}."} for number in range(MAX_EXTRACTED_FACTS + 5)]
    assert len(read_facts(json.dumps({"facts": facts}), [])) == MAX_EXTRACTED_FACTS
