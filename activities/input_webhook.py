"""Call the operator's webhook for an input request, signed after Standard Webhooks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import JsonValue
from standardwebhooks import Webhook
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from activities.payload_types import NOTIFY_INPUT_ACTIVITY, InputNotice
from activities.settings import Settings
from agentkit.errors import ToolError
from agentkit.interfaces import HttpClient, HttpRequest

__all__ = ["InputWebhookActivity"]

_EVENT_TYPE = "input.requested"
_TIMEOUT_S = 10.0
_MAX_BODY_BYTES = 65_536
_LONG_FIELDS = ("arguments", "schema", "reason")
"""Left out, in this order, until the body is short enough; the API has them."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_/-]{1,200}")
"""What an id may be: part of a header, and without the dots that separate the parts of what is signed."""
_RETRIED_STATUSES = (408, 429)


def _now() -> datetime:
    return datetime.now(UTC)


class InputWebhookActivity:
    """The activity that tells a webhook of an input request. Temporal makes the retries."""

    def __init__(
        self,
        settings: Settings,
        client: HttpClient | None,
        *,
        timeout_s: float = _TIMEOUT_S,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """Send to ``settings.input_webhook`` by ``client``, which follows no redirects; None: it is not set."""
        self._url, self._secret = settings.input_webhook, settings.input_webhook_secret
        self._client = client
        self._timeout_s = timeout_s
        self._now = now

    @activity.defn(name=NOTIFY_INPUT_ACTIVITY)
    async def notify_input_request(self, notice: InputNotice) -> None:
        """Send the notice once.

        Raises:
            ApplicationError: the webhook has not accepted it: ``WebhookNotSet``, ``WebhookUnavailable``, or
                ``WebhookRefused``, which is not retryable where its status says that another attempt won't help.
        """
        if self._url is None or self._secret is None or self._client is None:
            message = "This worker has no input_webhook: give it the settings of the API, and restart it."
            raise ApplicationError(message, type="WebhookNotSet")
        webhook = Webhook(self._secret.get_secret_value())
        request = _signed_request(self._url, webhook, notice, self._now())
        async with heartbeating():
            try:
                reply = await self._client.send(request, max_bytes=0, timeout_s=self._timeout_s)
            except ToolError as error:
                raise ApplicationError(f"The webhook: {error}", type="WebhookUnavailable") from None
        if not 200 <= reply.status < 300:
            is_final = 400 <= reply.status < 500 and reply.status not in _RETRIED_STATUSES
            message = f"The webhook responded with status {reply.status} to {_notice_id(notice)}."
            raise ApplicationError(message, type="WebhookRefused", non_retryable=is_final)


def _signed_request(url: str, webhook: Webhook, notice: InputNotice, now: datetime) -> HttpRequest:
    body, notice_id = _body(notice), _notice_id(notice)
    headers = {
        "content-type": "application/json",
        "webhook-id": notice_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(notice_id, now, body),
    }
    return HttpRequest("POST", url, headers, body=body.encode())


def _notice_id(notice: InputNotice) -> str:
    """Return the id of a notice: the same in all attempts, and another one when a request is opened for others."""
    opened_ms = int(notice.request.opened_at.timestamp() * 1000)
    plain_id = f"{notice.task_id}/{notice.request.id}/{opened_ms}"
    if _PLAIN_ID.fullmatch(plain_id):
        return plain_id
    return f"input-{hashlib.sha256(plain_id.encode(errors='surrogatepass')).hexdigest()[:32]}"


def _body(notice: InputNotice) -> str:
    """Return the JSON of a notice, in ASCII."""
    request = notice.request
    data: dict[str, JsonValue] = {"count": request.count, "answers": [], **request.model_dump(mode="json")}
    data |= {"task_id": notice.task_id, "agent": notice.agent}
    body = _event(data)
    for field in _LONG_FIELDS:
        if len(body) > _MAX_BODY_BYTES and data.pop(field, None) is not None:
            body = _event(data)
    return body


def _event(data: Mapping[str, JsonValue]) -> str:
    return json.dumps({"type": _EVENT_TYPE, "timestamp": data["opened_at"], "data": data})
