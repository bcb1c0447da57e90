"""Versions of a transcript over REST: each can be read, and a task can be forked after a step of any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agentkit.errors import ContextTooLong
from agentkit.interfaces import ModelRequest
from agentkit.testing import ScriptedCompactor, ScriptedResponse
from tests.integration.api.clerk import Payments, pay_call, payments_settings, problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, serve_rest

ALLOWED: dict[str, Any] = {
    "name": "clerk",
    "model": "demo:demo",
    "tools": ["pay"],
    "policy": [{"tool": "pay", "then": "allow"}],
}
TOO_LONG = ContextTooLong("The request has 1,200 tokens, and the model takes 1,000.", status=400)
PAYING: Sequence[ScriptedResponse] = [pay_call(1, 100), pay_call(2, 200), TOO_LONG, pay_call(3, 300), "All is paid."]
"""Steps 1 and 2 are finished in version 1 of the transcript, steps 3 and 4 in version 2."""


@pytest.fixture
async def payments(tmp_path: Path, temporal_port: int) -> AsyncIterator[Payments]:
    """An agent that pays, in an API of the test's own."""
    async with serve_rest(payments_settings(tmp_path, temporal_port)) as api:
        yield Payments(api)


class Responses:
    """The responses of the model: those that pay, and then ``Forked.`` to each request."""

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    async def __call__(self, request: ModelRequest) -> ScriptedResponse:
        self.requests.append(request)
        return PAYING[len(self.requests) - 1] if len(self.requests) <= len(PAYING) else "Forked."


async def paid_task(payments: Payments) -> str:
    """Run a task whose transcript is shortened once."""
    task_id = await payments.api.submit(agent=None, agent_spec=ALLOWED, input="Pay.")
    assert (await payments.api.task(task_id, wait=WITHIN))["output"] == "All is paid."
    return task_id


async def read(api: ApiHarness, task_id: str, **params: Any) -> httpx2.Response:
    return await api.http.get(f"/api/v1/tasks/{task_id}/transcript", params=params)


async def messages_of(api: ApiHarness, task_id: str, **params: Any) -> list[dict[str, Any]]:
    """Read all messages of a version, page by page."""
    messages: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        page = (await read(api, task_id, start=start, **params)).json()
        messages += page["messages"]
        start = page["next_start"]
    return messages


def last_parts(messages: Sequence[dict[str, Any]]) -> list[str]:
    """Return the text, the call's id or the result of each message."""
    parts = [message["parts"][-1] for message in messages]
    return [part.get("id") or part.get("content") or part["text"] for part in parts]


async def test_the_newest_version_is_read_unless_another_is_given(payments: Payments) -> None:
    async with payments.worker(Responses(), ScriptedCompactor()):
        task_id = await paid_task(payments)
        newest, first = await read(payments.api, task_id), await read(payments.api, task_id, version=1)
        missing, wrong = await read(payments.api, task_id, version=3), await read(payments.api, task_id, version=0)
        whole = await messages_of(payments.api, task_id)
        part = await read(payments.api, task_id, version=2, start=4, limit=1)
    assert [message["source"] for message in whole] == [None, "compaction", *[None] * 5]
    assert (newest.json()["version"], newest.json()["versions"], newest.json()["total"]) == (2, 2, 7)
    assert (first.json()["version"], first.json()["versions"], first.json()["total"]) == (1, 2, 5)
    assert [message["role"][0] for message in first.json()["messages"]] == [*"uatat"]
    assert part.json()["messages"] == whole[4:5]
    assert problem_of(missing) == (404, "version-not-found")
    assert "are versions 1 to 2" in missing.json()["detail"]
    assert problem_of(wrong) == (422, "invalid")


async def test_the_event_says_what_became_shorter(payments: Payments) -> None:
    async with payments.worker(Responses(), ScriptedCompactor()):
        task_id = await paid_task(payments)
    response = await payments.api.http.get(f"/api/v1/tasks/{task_id}/events")
    events = [line for line in response.text.splitlines() if line.startswith("data: ")]
    [compacted] = [line for line in events if '"context.compacted"' in line]
    for field in ('"reason":"too_long"', '"version":2', '"messages_before":5', '"messages_after":4', '"step":3'):
        assert field in compacted
    assert '"tokens_before":500,"tokens_after":400' in compacted


async def forked(payments: Payments, task_id: str, step: int, text: str) -> str:
    """Fork a task; return the fork's id once it has ended."""
    body = {"from_step": step, "input": text}
    response = await payments.api.http.post(f"/api/v1/tasks/{task_id}/fork", json=body)
    assert response.status_code == 201, response.text
    fork_id: str = response.json()["id"]
    assert (await payments.api.task(fork_id, wait=WITHIN))["output"] == "Forked."
    return fork_id


async def test_a_task_can_be_forked_after_steps_from_before_and_after_its_transcript_was_shortened(
    payments: Payments,
) -> None:
    responses = Responses()
    async with payments.worker(responses, ScriptedCompactor()):
        source = await paid_task(payments)
        early = await forked(payments, source, 1, "Not the rest.")
        late = await forked(payments, source, 3, "Thank them.")
        again = await forked(payments, late, 4, "Thank them again.")
        early_messages = await messages_of(payments.api, early)
        again_messages = await messages_of(payments.api, again)
    early_request, late_request, again_request = responses.requests[len(PAYING) :]
    notice = early_request.messages[-1].text
    assert '- pay {"cents": 200}: done. Result: paid 200' in notice
    assert '- pay {"cents": 300}: done. Result: paid 300' in notice
    assert notice.count("- pay") == 2
    assert last_parts(early_messages) == ["Pay.", "call_1", "paid 100", "Not the rest.", "Forked."]
    assert [message.source for message in late_request.messages] == [None, "compaction", *[None] * 5]
    assert "- pay" not in late_request.messages[-1].text
    assert list(again_request.messages[:6]) == list(late_request.messages[:6])
    shared = ["call_2", "paid 200", "call_3_3_0", "paid 300"]
    assert last_parts(again_messages)[2:] == [*shared, "Thank them.", "Forked.", "Thank them again.", "Forked."]
    assert payments.paid == [100, 200, 300]
