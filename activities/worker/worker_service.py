"""Serve a task queue until the worker is to stop, and log what its version gets of the tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.queue_workers import VersionRouting, recent_workers
from activities.temporal.task_queue_pollers import require_no_other_app_started
from activities.temporal.versions.deployment_version import own_version
from activities.temporal.versions.version_problems import not_current
from activities.worker.model_loading import load_models
from agentkit.interfaces import Model

__all__ = ["log_routing", "serve_until"]

logger = logging.getLogger("opspawn.worker")

_CHECK_INTERVAL_S = 15.0


async def serve_until(
    stopping: asyncio.Future[Any], client: Client, settings: Settings, models: Mapping[str, Model]
) -> None:
    """Return when ``stopping`` is done; before, log whether the workers of this version get tasks, at each change.

    The SDKs of ``models`` are imported now that the worker polls.

    Raises:
        TaskQueueInUse: a worker of another app has started on the same task queue.
    """
    await require_no_other_app_started(client, settings)
    logger.info("Working on task queue %s for the app %s", settings.task_queue, settings.app_dir)
    watching, loading = asyncio.create_task(_watch_version(client, settings)), asyncio.create_task(load_models(models))
    try:
        await asyncio.wait({stopping})
        logger.info("Stopping: activities that run have %g s to end", settings.shutdown_timeout)
    finally:
        watching.cancel()
        loading.cancel()
        await asyncio.gather(watching, loading, return_exceptions=True)


async def _watch_version(client: Client, settings: Settings) -> None:
    routing: VersionRouting | None = None
    while True:
        with suppress(RPCError):
            latest = (await recent_workers(client, settings.task_queue)).routing
            if latest != routing:
                log_routing(latest, routing, settings)
            routing = latest
        await asyncio.sleep(_CHECK_INTERVAL_S)


def log_routing(routing: VersionRouting, earlier: VersionRouting | None, settings: Settings) -> None:
    """Log whether this process's workers get new tasks; nothing where unversioned workers do, as ever."""
    own = own_version(settings)
    if not routing.routes_to(own):
        logger.warning("%s", not_current(own, routing))
    elif own is not None or (earlier is not None and not earlier.routes_to(own)):
        logger.info(
            "New tasks are given to this worker, %s",
            "which is unversioned" if own is None else f"version {own.build_id}",
        )
