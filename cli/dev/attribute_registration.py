"""Register search attributes at the Temporal that ``opspawn dev`` starts, on a database of an earlier release, too.

The server takes those of its command line only when it makes the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.client import connect
from cli.dev.dev_plan import DevPlan
from cli.dev.log_view import LogView
from cli.errors import CommandFailed
from cli.temporal_checks import register_search_attributes

__all__ = ["registering_search_attributes"]

_RETRY_INTERVAL_S = 0.5
_MAX_REFUSED_S = 10.0
"""A server that has just started refuses, too."""


@asynccontextmanager
async def registering_search_attributes(settings: Settings, plan: DevPlan, view: LogView) -> AsyncIterator[None]:
    """Do it while the context is entered, as soon as Temporal responds; nothing where Temporal was running already."""
    if plan.temporal is None:
        yield
        return
    registering = asyncio.create_task(_register(settings, plan.temporal_address, view))
    try:
        yield
    finally:
        registering.cancel()
        await asyncio.gather(registering, return_exceptions=True)


async def _register(settings: Settings, address: str, view: LogView) -> None:
    refused_at: float | None = None
    while True:
        try:
            await register_search_attributes(await connect(settings, address=address))
        except (RPCError, RuntimeError):  # Temporal isn't ready yet
            await asyncio.sleep(_RETRY_INTERVAL_S)
        except CommandFailed as refusal:
            refused_at = refused_at or time.monotonic()
            if time.monotonic() >= refused_at + _MAX_REFUSED_S:
                view.notice(str(refusal), "yellow")
                return
            await asyncio.sleep(_RETRY_INTERVAL_S)
        else:
            return
