"""Heartbeat while an activity runs, so that a dead worker is noticed and a cancellation arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

from activities.retry_policies import HEARTBEAT_INTERVAL

__all__ = ["heartbeating"]


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Heartbeat every ``HEARTBEAT_INTERVAL`` until the block ends; local activities have no heartbeat."""
    if activity.info().is_local:
        yield
        return
    heartbeats = asyncio.create_task(_heartbeat())
    try:
        yield
    finally:
        heartbeats.cancel()


async def _heartbeat() -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_INTERVAL.total_seconds())
        activity.heartbeat()
