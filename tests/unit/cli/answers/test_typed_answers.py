"""What a person types, and what it means for each kind of request."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit.input_requests import InputRequest
from cli.answers.typed_answers import Edit, Skip, Typed, Unclear, prompt, typed_answer
from tests.unit.scripted_api import input_request

CHOICES = ["2", "Nein", "Ja"]


def request(kind: str, **fields: object) -> InputRequest:
    return InputRequest.model_validate({**input_request(kind=kind), **fields})


def meaning(kind: str, line: str, **fields: object) -> dict[str, Any] | Typed:
    """Return the fields of the answer; else what was typed."""
    typed = typed_answer(request(kind, **fields), line)
    if isinstance(typed, Edit | Skip | Unclear):
        return typed
    return typed.model_dump(mode="json", exclude={"input_request_id"})


@pytest.mark.parametrize(
    ("kind", "line", "fields", "expected"),
    [
        ("approval", " Y ", {}, {"decision": "approve"}),
        ("approval", "yes", {}, {"decision": "approve"}),
        ("approval", "n", {}, {"decision": "deny"}),
        ("approval", "no  too much ", {}, {"decision": "deny", "comment": "too much"}),
        ("approval", "e", {}, Edit()),
        ("approval", "s", {}, Skip()),
        ("approval", "e", {"sha256": None}, Unclear("Type y, n or s.")),
        ("elicitation", "Y", {"url": "https://a.example"}, {"decision": "answer"}),
        ("elicitation", "no", {"url": "https://a.example"}, {"decision": "decline"}),
        ("elicitation", "skip", {"url": "https://a.example"}, Skip()),
        ("elicitation", "what", {"url": "https://a.example"}, Unclear("Type y, n or s.")),
        ("unknown_outcome", "h", {}, {"decision": "happened"}),
        ("unknown_outcome", "r", {}, {"decision": "retry"}),
        ("unknown_outcome", "g", {}, {"decision": "give_up"}),
        ("unknown_outcome", "skip", {}, Skip()),
        ("limit", "max_steps=9 deadline=1h", {}, {"decision": "raise", "limits": {"max_steps": 9, "deadline": 3600.0}}),
        ("limit", "stop", {}, {"decision": "stop"}),
        ("limit", "", {}, Skip()),
        ("question", "  Ada ", {}, {"decision": "answer", "answer": "Ada"}),
        ("question", "y", {}, {"decision": "answer", "answer": "y"}),
        ("question", "", {}, Skip()),
        ("elicitation", "/decline", {}, {"decision": "decline"}),
        ("question", "ja", {"choices": CHOICES}, {"decision": "answer", "answer": "Ja"}),
        ("question", "3", {"choices": CHOICES}, {"decision": "answer", "answer": "Ja"}),
        ("question", "2", {"choices": CHOICES}, {"decision": "answer", "answer": "2"}),
        ("question", '{"n": 1}', {"schema": {"type": "object"}}, {"decision": "answer", "answer": {"n": 1}}),
        ("question", "e", {"schema": {"type": "object"}}, Edit()),
    ],
)
def test_a_line_means(kind: str, line: str, fields: dict[str, object], expected: object) -> None:
    assert meaning(kind, line, **fields) == expected


@pytest.mark.parametrize(
    ("kind", "line", "fields"),
    [
        ("approval", "", {}),
        ("approval", "yes please", {}),
        ("approval", "yy", {}),
        ("approval", f"n {'x' * 4_001}", {}),
        ("unknown_outcome", "y", {}),
        ("unknown_outcome", "retry it", {}),
        ("limit", "60", {}),
        ("limit", "max_steps=0", {}),
        ("limit", "on_exhausted=fail", {}),
        ("question", "4", {"choices": CHOICES}),
        ("question", "Ada", {"schema": {"type": "object"}}),
    ],
)
def test_a_line_that_is_unclear_approves_and_answers_nothing(kind: str, line: str, fields: dict[str, object]) -> None:
    assert isinstance(meaning(kind, line, **fields), Unclear)


@pytest.mark.parametrize("kind", ["approval", "question", "unknown_outcome", "limit", "elicitation"])
def test_each_prompt_says_how_to_skip(kind: str) -> None:
    assert "kip" in prompt(request(kind))
