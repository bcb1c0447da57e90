from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.input_requests import InputAnswer, InputRequest
from agentkit.messages import ToolCall
from workflows.listing.progress_details import call_summary, request_markdown, shorten


@given(text=st.text(), limit=st.integers(1, 200))
def test_shortened_text_is_one_line_of_at_most_the_limit(text: str, limit: int) -> None:
    line = shorten(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_long_text_ends_with_an_ellipsis() -> None:
    assert shorten("one\n  two") == "one two"
    assert shorten("x" * 500) == "x" * 119 + "…"


def test_a_call_summary_reads_like_a_function_call() -> None:
    call = ToolCall(id="1", name="calculator", arguments={"expression": "6*7", "digits": 2, "unit": "°", "of": [None]})
    assert call_summary(call) == 'calculator(expression="6*7", digits=2, unit="°", of=[null])'


def test_a_call_summary_is_one_short_line() -> None:
    assert len(call_summary(ToolCall(id="1", name="write", arguments={"text": "x" * 10_000}))) == 120


def request(**fields: Any) -> InputRequest:
    return InputRequest.model_validate(
        {
            "id": "input_1",
            "kind": "approval",
            "step": 1,
            "tool": "transfer_money",
            "arguments": {"to": "DE02", "note": "```\n**paid**"},
            "message": "Approve this call?",
            "opened_at": datetime(2026, 11, 26, tzinfo=UTC),
            **fields,
        }
    )


def test_an_open_request_shows_all_of_the_call_and_how_to_answer() -> None:
    text = request_markdown(request(approvers=("finance",)), "task-1")

    blocks = re.findall(r"^```(?:json|sh)\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert json.loads(blocks[0]) == {"to": "DE02", "note": "```\n**paid**"}
    assert InputAnswer.model_validate_json(blocks[1]).decision == "approve"
    assert blocks[2].startswith("temporal workflow signal --workflow-id task-1 --name answer_input --input '{")
    assert "Who should answer: finance" in text


@pytest.mark.parametrize("arguments", [None, {"text": "x" * 5_000}], ids=["left out", "long"])
def test_long_arguments_of_an_open_request_are_never_shown_in_part(arguments: dict[str, str] | None) -> None:
    text = request_markdown(request(arguments=arguments), "task-1")

    assert "temporal workflow query --workflow-id task-1 --type input_requests" in text
    assert "xx" not in text


def test_what_a_server_writes_is_shown_and_never_rendered() -> None:
    message = "MCP server travel asks: ![x](https://spy.example/1.png) <b>now</b> **pay** `x`"
    text = request_markdown(request(kind="elicitation", arguments=None, message=message), "task-1")

    assert "![x](https" not in text
    assert "<b>" not in text.replace("\\<b", "")
    assert re.sub(r"\\(.)", r"\1", text).count(message) == 1
    assert "too long" not in text, "there are no arguments to read"


def test_a_form_or_a_page_of_a_server_is_shown_in_a_block() -> None:
    form = {"type": "object", "properties": {"seat": {"type": "string", "description": "```\nx"}}}
    text = request_markdown(request(kind="elicitation", arguments=None, schema=form), "task-1")
    assert json.loads(re.findall(r"^```json\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)[0]) == form

    page = request(kind="elicitation", arguments=None, url="https://pay.example/1?a=`x`")
    assert "```text\nhttps://pay.example/1?a=`x`\n```" in request_markdown(page, "task-1")
