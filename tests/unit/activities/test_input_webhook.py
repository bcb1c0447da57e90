"""What one attempt to call the webhook sends, and what becomes of it by the response."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.input_webhook import InputWebhookActivity
from activities.payload_types import InputNotice
from activities.settings import Settings
from agentkit.errors import ToolError, ToolInterrupted
from agentkit.input_requests import InputRequest
from agentkit.interfaces import HttpReply, HttpRequest

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://chat.example.com/hook?token=t0ken"
OPENED = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
MILLISECONDS = int(OPENED.timestamp() * 1000)


@dataclass
class RecordingClient:
    """Responds to each request with the same status, or error."""

    status: int = 204
    error: ToolError | None = None
    requests: list[HttpRequest] = field(default_factory=list)
    bounds: list[tuple[int, float]] = field(default_factory=list)

    async def send(self, request: HttpRequest, *, max_bytes: int, timeout_s: float) -> HttpReply:
        self.requests.append(request)
        self.bounds.append((max_bytes, timeout_s))
        if self.error is not None:
            raise self.error
        return HttpReply(url=request.url, status=self.status, headers={}, text=None, size=0)

    def event(self, index: int = 0) -> Any:
        return json.loads(self.requests[index].body or b"")


def settings() -> Settings:
    return Settings.model_validate({"input_webhook": URL, "input_webhook_secret": SECRET})


def notice(task_id: str = "task-1", **fields: Any) -> InputNotice:
    request = InputRequest.model_validate(
        {"id": "input_1", "kind": "approval", "step": 2, "message": "Pay?", "opened_at": OPENED, **fields}
    )
    return InputNotice(task_id=task_id, agent="clerk", request=request)


async def send(client: RecordingClient, sent: InputNotice, **options: Any) -> None:
    await ActivityEnvironment().run(InputWebhookActivity(settings(), client, **options).notify_input_request, sent)


async def test_the_request_is_posted_and_its_signature_verifies() -> None:
    client = RecordingClient()
    await send(client, notice(arguments={"to": "Zoë"}, schema={"type": "string"}, approvers=["finance"]))
    [request] = client.requests
    event = Webhook(SECRET).verify(request.body or b"", dict(request.headers))
    assert event == {
        "type": "input.requested",
        "timestamp": "2026-11-26T09:30:00Z",
        "data": {
            "id": "input_1",
            "kind": "approval",
            "step": 2,
            "arguments": {"to": "Zoë"},
            "schema": {"type": "string"},
            "message": "Pay?",
            "approvers": ["finance"],
            "count": 1,
            "answers": [],
            "opened_at": "2026-11-26T09:30:00Z",
            "task_id": "task-1",
            "agent": "clerk",
        },
    }
    assert (request.method, request.url, request.headers["content-type"]) == ("POST", URL, "application/json")
    assert client.bounds == [(0, 10.0)]
    assert "Zo" in repr(request), "the body is no secret"
    assert SECRET.removeprefix("whsec_") not in repr(request)


async def test_another_attempt_has_the_same_id_and_a_time_of_its_own() -> None:
    client = RecordingClient()
    times = [OPENED + timedelta(seconds=0.9), OPENED + timedelta(hours=3)]
    for time in times:
        await send(client, notice(), now=lambda time=time: time)
    first, second = (request.headers for request in client.requests)
    assert first["webhook-id"] == second["webhook-id"] == f"task-1/input_1/{MILLISECONDS}"
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 3 * 3_600
    assert first["webhook-signature"] != second["webhook-signature"]
    assert client.requests[0].body == client.requests[1].body


async def test_a_request_that_is_opened_again_for_others_is_a_notice_of_its_own() -> None:
    client = RecordingClient()
    await send(client, notice(opened_at=OPENED + timedelta(hours=1)))
    assert client.requests[0].headers["webhook-id"] == f"task-1/input_1/{MILLISECONDS + 3_600_000}"


@pytest.mark.parametrize("task_id", ["a.b", "Zoë", "a\r\nb", "x" * 1_000], ids=["dot", "letters", "lines", "long"])
async def test_any_task_id_gives_an_id_that_can_be_signed(task_id: str) -> None:
    client = RecordingClient()
    await send(client, notice(task_id))
    await send(client, notice(task_id + "2"))
    first, second = (request.headers["webhook-id"] for request in client.requests)
    assert re.fullmatch(r"input-[0-9a-f]{32}", first)
    assert first != second
    assert client.event()["data"]["task_id"] == task_id


async def test_of_a_long_request_the_longest_fields_are_left_out() -> None:
    client = RecordingClient()
    await send(client, notice(arguments={"text": "x" * 70_000}, schema={"title": "y" * 100}, reason="z"))
    await send(client, notice(arguments={}, schema={"title": "x" * 70_000}, reason="x" * 70_000))
    first, second = client.event(0)["data"], client.event(1)["data"]
    assert ("arguments" in first, "schema" in first, "reason" in first) == (False, True, True)
    assert ("arguments" in second, "schema" in second, "reason" in second) == (False, False, False)


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(301, False), (400, True), (401, True), (404, True), (408, False), (410, True), (429, False), (500, False)],
)
async def test_only_statuses_of_a_refusal_end_the_attempts(status: int, is_final: bool) -> None:
    with pytest.raises(ApplicationError) as raised:
        await send(RecordingClient(status), notice())
    assert (raised.value.type, raised.value.non_retryable) == ("WebhookRefused", is_final)
    assert f"status {status}" in raised.value.message
    assert "t0ken" not in raised.value.message


@pytest.mark.parametrize("status", [200, 202, 204, 299])
async def test_any_2xx_is_the_end(status: int) -> None:
    await send(RecordingClient(status), notice())


async def test_without_a_response_another_attempt_is_made() -> None:
    with pytest.raises(ApplicationError, match="The webhook: it took longer") as raised:
        await send(RecordingClient(error=ToolInterrupted("it took longer than 10 s.")), notice())
    assert (raised.value.type, raised.value.non_retryable) == ("WebhookUnavailable", False)


async def test_a_worker_without_the_settings_leaves_the_notice_to_another() -> None:
    activities = InputWebhookActivity(Settings(), None)
    with pytest.raises(ApplicationError, match="This worker has no input_webhook") as raised:
        await ActivityEnvironment().run(activities.notify_input_request, notice())
    assert not raised.value.non_retryable
