"""An input request as lines for the person who answers it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.input_requests import InputAnswer, InputRequest
from cli.views.input_request_lines import input_request_lines


def request(**fields: Any) -> InputRequest:
    return InputRequest.model_validate(
        {
            "id": "input_1",
            "kind": "approval",
            "step": 1,
            "call_id": "c1",
            "tool": "transfer_money",
            "arguments": {"to": "DE02", "note": "it's"},
            "message": "Approve this call?",
            "opened_at": datetime(2026, 11, 26, tzinfo=UTC),
            **fields,
        }
    )


def lines_of(asked: InputRequest) -> list[str]:
    return [line.plain for line in input_request_lines(asked, "task-1")]


def test_a_request_shows_the_call_who_should_answer_and_the_command() -> None:
    *lines, command = lines_of(request(approvers=("finance", "ada"), reason="The invoice\nis due."))

    assert lines == [
        "   ? input_1 Approve this call?",
        """     transfer_money {"to": "DE02", "note": "it's"}""",
        "     the model's reason: The invoice is due.",
        "     who should answer: finance, ada",
        "     To answer (approve or deny), in another terminal:",
    ]
    program, *words = shlex.split(command)
    assert program.endswith("temporal")
    assert words[:6] == ["workflow", "signal", "--workflow-id", "task-1", "--name", "answer_input"]


@pytest.mark.parametrize(("kind", "decision"), [("approval", "approve"), ("unknown_outcome", "happened")])
def test_the_command_has_an_answer_that_the_task_accepts(kind: str, decision: str) -> None:
    answer = InputAnswer.model_validate_json(shlex.split(lines_of(request(kind=kind))[-1])[-1])

    assert (answer.input_request_id, answer.decision) == ("input_1", decision)


@pytest.mark.parametrize("arguments", [None, {"text": "x" * 5_000}], ids=["left out", "long"])
def test_long_arguments_are_never_shown_in_part(arguments: dict[str, str] | None) -> None:
    lines = lines_of(request(arguments=arguments))

    assert "Read them first" in lines[1]
    assert shlex.split(lines[2])[1:] == ["workflow", "query", "--workflow-id", "task-1", "--type", "input_requests"]
    assert "xx" not in "".join(lines)


def test_all_arguments_of_a_request_are_shown_up_to_their_last_character() -> None:
    arguments = {"text": "x" * 3_000 + " end"}

    assert lines_of(request(arguments=arguments))[1].endswith(json.dumps(arguments))
