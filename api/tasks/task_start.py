"""What a task is started with: its id, its title, and the hash that tells two bodies apart. Pure."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import Any

from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.settings import Settings
from agentkit.config.providers import missing_configuration
from agentkit.messages import Message
from agentkit.specs import AgentSpec
from api.rest.request_schemas import CreateTask
from workflows.search_attributes import (
    AGENT,
    MEMO_BODY_HASH,
    MEMO_METADATA,
    MEMO_TITLE,
    MEMO_USER,
    STATUS,
    TAGS,
    TENANT,
)

__all__ = [
    "DEFAULT_TENANT",
    "KEY_RULE",
    "body_hash",
    "id_for_key",
    "is_key",
    "lacking_key",
    "memo_for",
    "new_task_id",
    "search_attributes_for",
    "title_of",
]

DEFAULT_TENANT = "default"
_LONGEST_KEY = 255
KEY_RULE = f"An idempotency key takes 1 to {_LONGEST_KEY} printable ASCII characters"
_TITLE_CHARS = 80


def new_task_id() -> str:
    """Return an id nobody has; ids sort by the millisecond they were made in, as UUIDv7 do."""
    return f"task-{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def is_key(text: str) -> bool:
    """Say whether a text can be an idempotency key."""
    return 0 < len(text) <= _LONGEST_KEY and text.isascii() and text.isprintable()


def id_for_key(key: str, tenant: str = DEFAULT_TENANT) -> str:
    """Return the id that every request of this tenant with this Idempotency-Key leads to."""
    return "task-" + hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()[:32]


def body_hash(body: CreateTask) -> str:
    """Return the SHA-256 of what was asked, whatever the order of its fields."""
    asked = body.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def lacking_key(agent: AgentSpec, settings: Settings) -> str | None:
    """Return what must be set before the agent's models can be asked, as a sentence; None when all is there."""
    if not settings.check_keys:
        return None
    return next(filter(None, (missing_configuration(model, settings) for model in agent.models)), None)


def title_of(message: Message) -> str:
    """Return the first line that says something, cut at 80 characters; for lists and the Web UI."""
    lines = (
        " ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in message.text.split("\n")
    )
    line = next(filter(None, lines), "(image)")
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1] + "…"


def memo_for(body: CreateTask, title: str, hashed: str | None) -> dict[str, object]:
    """Return what lists show beside the search attributes."""
    memo: dict[str, object] = {MEMO_TITLE: title}
    if body.metadata:
        memo[MEMO_METADATA] = body.metadata
    if body.user is not None:
        memo[MEMO_USER] = body.user
    if hashed is not None:
        memo[MEMO_BODY_HASH] = hashed
    return memo


def search_attributes_for(body: CreateTask, agent: AgentSpec) -> TypedSearchAttributes:
    """Return what lists filter by."""
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(STATUS, "queued"),
        SearchAttributePair(AGENT, agent.name),
        SearchAttributePair(TENANT, DEFAULT_TENANT),
    ]
    if body.tags:
        pairs.append(SearchAttributePair(TAGS, list(dict.fromkeys(body.tags))))
    return TypedSearchAttributes(pairs)
