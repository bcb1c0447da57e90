"""Heartbeat while an activity runs, so that a dead worker is noticed and a cancellation arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio import activity

from activities.retry_policies import HEARTBEAT_INTERVAL
from agentkit.records import Record

__all__ = ["Heartbeat", "heartbeating"]


@dataclass
class Heartbeat:
    """What the next heartbeats say."""

    details: Record | None = None
    """Shown by Temporal while the activity runs; None: nothing."""


@asynccontextmanager
async def heartbeating() -> AsyncIterator[Heartbeat]:
    """Heartbeat every ``HEARTBEAT_INTERVAL`` until the block ends; local activities have no heartbeat."""
    heartbeat = Heartbeat()
    if activity.info().is_local:
        yield heartbeat
        return
    heartbeats = asyncio.create_task(_heartbeat(heartbeat))
    try:
        yield heartbeat
    finally:
        heartbeats.cancel()


async def _heartbeat(heartbeat: Heartbeat) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_INTERVAL.total_seconds())
        activity.heartbeat(*([] if heartbeat.details is None else [heartbeat.details]))
