"""What starting a task needs besides its request: an id, a title, the request's hash, the agent's keys."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from activities.tenants.tenant_settings import tenant_settings
from agentkit.config.model_prices import missing_price
from agentkit.config.providers import missing_configuration
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import FilePart, Message
from agentkit.specs import AgentSpec
from api.tasks.errors import TaskRefused
from api.tasks.requests.request_validation import ServiceRequest
from api.tasks.visibility.tenant_access import own_tenant

__all__ = [
    "IDEMPOTENCY_KEY_RULE",
    "check_start_at",
    "is_idempotency_key",
    "missing_cost_price",
    "missing_key",
    "new_task_id",
    "request_hash",
    "start_delay",
    "task_id_for_key",
    "task_title",
]

_MAX_KEY_CHARS = 255
IDEMPOTENCY_KEY_RULE = f"An idempotency key takes 1 to {_MAX_KEY_CHARS} printable ASCII characters"
_MAX_TITLE_CHARS = 80
_MAX_START_DELAY = timedelta(days=366)


def new_task_id() -> str:
    """Return a unique id; ids sort by the millisecond of their creation, as UUIDv7 do."""
    return f"task-{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def is_idempotency_key(text: str) -> bool:
    """Return whether a text can be an idempotency key."""
    return 0 < len(text) <= _MAX_KEY_CHARS and text.isascii() and text.isprintable()


def task_id_for_key(key: str, tenant: str = DEFAULT_TENANT) -> str:
    """Return the id of the one task that a tenant's requests with this idempotency key start."""
    return "task-" + hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()[:32]


def request_hash(request: ServiceRequest, **others: str) -> str:
    """Return the SHA-256 of a request, and of ``others`` beside its fields, independent of their order."""
    fields = {**request.model_dump(mode="json", exclude_unset=True), **others}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def check_start_at(start_at: datetime | None) -> None:
    """Check the start time of a request.

    Raises:
        TaskRefused: it is more than a year ahead.
    """
    if start_at is not None and start_at - datetime.now(UTC) > _MAX_START_DELAY:
        raise TaskRefused("start_at lies more than a year ahead. Take an earlier time.", path=("start_at",))


async def start_delay(start_at: datetime | None, client: Client) -> timedelta | None:
    """Return how long from now, by Temporal's clock, a task is to start; None: at once."""
    if start_at is None:
        return None
    delay = start_at - await temporal_now(client)
    return delay if delay > timedelta() else None


def missing_key(agent: AgentSpec, settings: Settings) -> str | None:
    """Return what must be set before the agent's models can be used, as a sentence; None when nothing is missing."""
    if not settings.check_keys:
        return None
    return next(filter(None, (missing_configuration(model, settings) for model in agent.all_models)), None)


def missing_cost_price(agent: AgentSpec, settings: Settings) -> str | None:
    """Return which price must be set before cost can be limited, as a sentence; None if nothing is missing.

    ``max_cost_usd`` limits it, or the setting ``max_cost_usd_a_day`` of the current principal's tenant.
    """
    if agent.limits.max_cost_usd is not None:
        return missing_price(agent.all_models, settings.prices)
    if tenant_settings(settings.tenants, own_tenant()).max_cost_usd_a_day is not None:
        return missing_price(agent.all_models, settings.prices, limit="max_cost_usd_a_day")
    return None


def task_title(message: Message) -> str:
    """Return the first line that isn't blank, cut at 80 characters; for lists and Temporal's Web UI."""
    names = [part.name for part in message.parts if isinstance(part, FilePart) and part.name]
    attachments = ", ".join(names) or ("file" if any(isinstance(part, FilePart) for part in message.parts) else "image")
    lines = map(_on_one_line, message.text.split("\n"))
    line = next(filter(None, lines), None) or f"({_on_one_line(attachments)})"
    return line if len(line) <= _MAX_TITLE_CHARS else line[: _MAX_TITLE_CHARS - 1] + "…"


def _on_one_line(text: str) -> str:
    # character by character only where that is needed: a line may have a megabyte
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())
