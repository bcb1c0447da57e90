"""Parameters that several routes have: a task's id, pages of transcripts, and idempotency keys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Path, Query
from starlette.exceptions import HTTPException

from api.tasks.starting.task_start import IDEMPOTENCY_KEY_RULE, is_idempotency_key

__all__ = ["TaskId", "TranscriptLimit", "TranscriptStart", "TranscriptVersion", "checked_key", "key_header"]

TranscriptStart = Annotated[int, Query(ge=0, le=1_000_000, description="Position of the first message, from 0.")]
TranscriptLimit = Annotated[int, Query(ge=1, le=1000)]
TranscriptVersion = Annotated[
    int | None,
    Query(ge=1, le=1_000_000, description="One from before the transcript was shortened; the newest if left out."),
]
TaskId = Annotated[str, Path(description="The task's id, which is its Temporal workflow id.")]


def key_header(effect: str) -> Any:
    """Return the header Idempotency-Key for OpenAPI; ``effect`` says what the same key does."""
    return Header(
        description=f"1 to 255 printable ASCII characters. {effect}",
        json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    )


def checked_key(key: str | None) -> str | None:
    """Return an idempotency key.

    Raises:
        HTTPException: the text can't be one.
    """
    if key is None or is_idempotency_key(key):
        return key
    raise HTTPException(400, f"Idempotency-Key: {IDEMPOTENCY_KEY_RULE}")
