"""An input request as lines for the person who answers it, with the commands to copy."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from agentkit.client import SystemInfo
from agentkit.input_requests import InputAnswer, InputRequest
from cli.command_options import Server
from cli.main import build_command_line
from cli.views.answer_commands import AnswerCommands
from cli.views.input_request_lines import input_request_lines, request_lines

COMMANDS = AnswerCommands(Server("http://127.0.0.1:8001"))
KINDS = ["approval", "question", "unknown_outcome", "limit", "elicitation"]


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


def lines_of(asked: InputRequest, commands: AnswerCommands = COMMANDS) -> list[str]:
    return [line.plain for line in input_request_lines(asked, "task-1", commands)]


def words(line: str) -> list[str]:
    """Return the words of a command, without the program."""
    return shlex.split(line)[1:]


def test_a_request_shows_the_call_who_should_answer_and_the_commands() -> None:
    *lines, approve, deny, or_, signal = lines_of(
        request(
            approvers=("finance", "ada"),
            reason="The invoice\nis due.",
            count=2,
            answers=[{"decision": "approve", "answered_by": "bob", "at": datetime(2026, 11, 26, tzinfo=UTC)}],
            expires_at=datetime(2026, 11, 27, tzinfo=UTC),
            on_expiry="escalate",
            escalate_to=("board",),
        )
    )

    assert lines == [
        "   ? input_1 Approve this call?",
        """     transfer_money {"to": "DE02", "note": "it's"}""",
        "     the model's reason: The invoice is due.",
        "     who should answer: finance, ada",
        "     2 people must approve; so far: bob",
        "     expires 2026-11-27 00:00:00 UTC; asked of board then",
        "     To answer, in another terminal:",
    ]
    options = ["task-1", "input_1", "--group", "finance", "--url", "http://127.0.0.1:8001"]
    assert [words(approve), words(deny)] == [["approve", *options], ["deny", *options]]
    assert or_ == "     or with Temporal's own command:"
    assert words(signal)[:6] == ["workflow", "signal", "--workflow-id", "task-1", "--name", "answer_input"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_of_temporal_has_an_answer_that_the_task_accepts(kind: str) -> None:
    answer = InputAnswer.model_validate_json(shlex.split(lines_of(request(kind=kind))[-1])[-1])

    assert answer.input_request_id == "input_1"


@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_of_opspawn_have_options_that_exist(kind: str) -> None:
    for command in COMMANDS.answering(request(kind=kind), "task-1"):
        line = words(command)
        result = CliRunner().invoke(build_command_line(line), [*line, "--help"])
        assert result.exit_code == 0, result.output


def test_temporals_address_and_namespace_are_those_of_the_api() -> None:
    system = SystemInfo(task_queue="q", temporal="temporal.example:7233", temporal_namespace="ours")

    signal = lines_of(request(), AnswerCommands(Server(None), system))[-1]

    assert words(signal)[2:6] == ["--address", "temporal.example:7233", "--namespace", "ours"]


def test_who_may_answer_by_name_needs_no_group() -> None:
    commands = AnswerCommands(Server(None), name="ada")

    assert words(next(commands.answering(request(approvers=("ada",)), "t"))) == [
        "approve",
        "t",
        "input_1",
        "--as",
        "ada",
    ]


@pytest.mark.parametrize("arguments", [None, {"text": "x" * 5_000}], ids=["left out", "long"])
def test_long_arguments_are_never_shown_in_part(arguments: dict[str, str] | None) -> None:
    lines = lines_of(request(arguments=arguments))

    assert "Read them first" in lines[1]
    assert words(lines[2])[:2] == ["show", "task-1"]
    assert words(lines[3]) == ["workflow", "query", "--workflow-id", "task-1", "--type", "input_requests"]
    assert "xx" not in "".join(lines)


def test_all_arguments_of_a_request_are_shown_up_to_their_last_character() -> None:
    arguments = {"to": "DE02", "text": "x" * 30_000 + " end"}

    lines = [line.plain for line in request_lines(request(arguments=arguments))]

    assert lines[1:] == [
        "     transfer_money ",
        '       to: "DE02"',
        f"       text: {json.dumps(arguments['text'])}",
    ]


def test_characters_that_can_not_be_seen_are_shown_as_escapes() -> None:
    lines = [line.plain for line in request_lines(request(arguments={"to": "DE02\u202e7\u200b\x1b[1m"}))]

    assert lines[1] == r'     transfer_money {"to": "DE02\u202e7\u200b\u001b[1m"}'


def test_choices_are_numbered() -> None:
    lines = [line.plain for line in request_lines(request(kind="question", tool=None, choices=("Ja", "Nein")))]

    assert lines[1:] == ["     1. Ja", "     2. Nein"]


def test_a_form_is_shown_field_by_field_with_the_server_and_the_call() -> None:
    schema = {
        "type": "object",
        "properties": {"seat": {"type": "string", "description": "Such as 4A\u202e"}, "age": {"type": "integer"}},
        "required": ["seat"],
    }
    form = request(kind="elicitation", arguments=None, message="MCP server travel asks: Seat?", schema=schema)

    *lines, answer, decline, _, signal = lines_of(form)

    assert lines[:-1] == [
        "   ? input_1 MCP server travel asks: Seat?",
        "     it asks in a call of transfer_money",
        "     the answer is a form with",
        "       seat  string, required",
        r"         Such as 4A\u202e",
        "       age  integer",
    ]
    given = '{"seat": "YOUR ANSWER", "age": 1}'
    assert words(answer)[:5] == ["answer", "task-1", "input_1", given, "--json-answer"]
    assert words(decline)[:5] == ["answer", "task-1", "input_1", "--decision", "decline"]
    assert InputAnswer.model_validate_json(shlex.split(signal)[-1]).answer == json.loads(given)


def test_a_page_is_shown_whole_and_on_a_line_of_its_own() -> None:
    url = f"https://pay.example/{'x' * 1_500}/end"
    page = request(kind="elicitation", tool=None, arguments=None, message="Pay here.", url=url)

    *lines, answer, _, _, signal = lines_of(page)

    assert lines[1:3] == ["     the page, which nothing has opened:", f"       {url}"]
    assert words(answer)[:5] == ["answer", "task-1", "input_1", "--decision", "answer"]
    assert InputAnswer.model_validate_json(shlex.split(signal)[-1]).answer is None
