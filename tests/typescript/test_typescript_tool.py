"""Agents call tools that a Temporal worker in TypeScript serves: ``examples/typescript-tool``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.polling import eventually

if TYPE_CHECKING:
    from tests.typescript.conftest import MailStack

pytestmark = [pytest.mark.typescript, pytest.mark.timeout(400)]

MANY = [f"reader-{number}@example.com" for number in range(100)]


def newsletter(recipients: list[str], seconds_between: float = 0, subject: str = "News") -> str:
    arguments = {"subject": subject, "recipients": recipients, "seconds_between": seconds_between}
    return f"call send_newsletter {json.dumps(arguments)}"


async def tool_results(stack: MailStack, task_id: str) -> list[dict[str, Any]]:
    return [
        part
        for message in await stack.transcript(task_id)
        for part in message["parts"]
        if part["type"] == "tool_result"
    ]


async def test_the_api_lists_the_tools_with_the_queue_that_serves_them(mail_stack: MailStack) -> None:
    async with mail_stack.client() as client:
        tools = {tool["name"]: tool for tool in (await client.get("/api/v1/tools")).json()["tools"]}
    assert {tools[name]["task_queue"] for name in ("find_contact", "send_newsletter")} == {"mail"}
    assert (tools["send_newsletter"]["effect"], tools["send_newsletter"]["heartbeat"]) == ("irreversible", 5)


async def test_plain_json_goes_both_ways_and_the_model_reads_the_errors(mail_stack: MailStack) -> None:
    script = [
        'call find_contact {"name": "Ada"}',
        'call find_contact {"name": "Bob"}',
        'call find_contact {"first_name": "Ada"}',
        "say done",
    ]
    task_id = await mail_stack.submit("\n".join(script), agent="secretary")
    task = await mail_stack.wait_for_end(task_id)
    found, unknown, wrong = await tool_results(mail_stack, task_id)
    assert task["output"] == "done"
    assert json.loads(found["content"]) == {"name": "Ada", "address": "ada@example.com"}
    assert unknown["content"] == "There is no contact 'Bob'. Contacts: ada, grace."
    assert "'name' is a required property" in wrong["content"]
    assert [result["is_error"] for result in (found, unknown, wrong)] == [False, True, True]


async def test_200_kib_of_arguments_arrive_and_the_idempotency_key_is_the_calls(mail_stack: MailStack) -> None:
    subject = "x" * 200 * 1024
    text = newsletter(["ada@example.com", "grace@example.com"], subject=subject)
    task_id = await mail_stack.submit(text, agent="secretary")
    task = await mail_stack.wait_for_end(task_id)
    assert task["output"].endswith('{"sent": 2}')
    emails = mail_stack.sent(task_id)
    assert [json.loads(email.read_text())["subject"] for email in emails] == [subject, subject]
    keys = {email.name.rpartition("-")[0] for email in emails}
    assert len(keys) == 1
    assert keys.pop().startswith(f"{task_id}_call")


async def test_cancelling_the_task_stops_the_tool_at_its_next_heartbeat(mail_stack: MailStack) -> None:
    task_id = await mail_stack.submit(newsletter(MANY, seconds_between=5), agent="secretary")
    await eventually(lambda: len(mail_stack.sent(task_id)) > 0)
    async with mail_stack.client() as client:
        assert (await client.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 202
    task = await mail_stack.wait_for_end(task_id)
    assert task["status"] == "cancelled"
    report = mail_stack.outbox / "cancelled.json"
    await eventually(report.exists)
    await eventually(lambda: report.read_text() != "")
    assert json.loads(report.read_text())["sent"] == len(mail_stack.sent(task_id)) < len(MANY)


async def test_a_worker_killed_in_an_irreversible_call_leaves_it_unknown_and_never_repeated(
    mail_stack: MailStack,
) -> None:
    text = f"{newsletter(MANY, seconds_between=60)}\nsay I will ask."
    task_id = await mail_stack.submit(text, agent="secretary")
    await eventually(lambda: len(mail_stack.sent(task_id)) > 0)
    mail_stack.kill("mailer")
    mail_stack.start_mailer()

    request = await mail_stack.answer(task_id, "give_up")
    assert (request["kind"], request["task_id"], request["agent"]) == ("unknown_outcome", task_id, "secretary")
    task = await mail_stack.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "I will ask.")
    (result,) = await tool_results(mail_stack, task_id)
    assert result["is_error"]
    assert "Whether it took effect is UNKNOWN" in result["content"]

    other = await mail_stack.submit('call find_contact {"name": "Grace"}', agent="secretary")
    assert "grace@example.com" in (await mail_stack.wait_for_end(other))["output"], "the new worker serves"
    assert len(mail_stack.sent(task_id)) == 1


async def test_a_worker_that_is_stopped_in_an_irreversible_call_leaves_it_unknown_too(mail_stack: MailStack) -> None:
    text = f"{newsletter(MANY, seconds_between=60)}\nsay I will ask."
    task_id = await mail_stack.submit(text, agent="secretary")
    await eventually(lambda: len(mail_stack.sent(task_id)) > 0)
    assert mail_stack.terminate("mailer") == 0
    mail_stack.start_mailer()
    await mail_stack.answer(task_id, "give_up")
    assert (await mail_stack.wait_for_end(task_id))["status"] == "completed"
    (result,) = await tool_results(mail_stack, task_id)
    assert "Whether it took effect is UNKNOWN" in result["content"]
    assert len(mail_stack.sent(task_id)) == 1
