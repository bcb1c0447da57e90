"""A task-queue worker: the one place where concrete models, tools and clients are named. ``python worker.py``."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.activity_log import shorten_activity_log
from activities.model import ModelActivities
from activities.retry_policies import (
    GRACEFUL_SHUTDOWN_TIMEOUT,
    HEARTBEAT_INTERVAL,
    MAX_CONCURRENT_ACTIVITIES,
    STICKY_QUEUE_TIMEOUT,
)
from activities.settings import Settings
from activities.streaming.relay_sender import sending
from activities.streaming.token_streams import Deltas
from activities.temporal.client import connect_when_ready
from activities.temporal.process_exit import exit_process
from activities.tool import ToolActivities
from activities.transcript_reader import TranscriptCache, TranscriptReader
from agentkit.catalog.catalog import load_catalog
from agentkit.config.providers import models_to_check
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import Model, Toolset
from agentkit.llm import build_models
from agentkit.runtime.model_check import check_models
from agentkit.web import PublicFetcher
from workflows.agent_task import AgentTask
from workflows.transcript_sharing import TranscriptSharing
from workflows.workflow_sandbox import sandboxed_runner

__all__ = ["build_worker", "main"]

logger = logging.getLogger("opspawn.worker")

_VERSION = WorkerDeploymentConfig(
    version=WorkerDeploymentVersion("opspawn", metadata.version("opspawn")), use_worker_versioning=False
)
"""Told to Temporal; without it the SDK hashes every loaded module at each start, which takes up to 2 s."""


def build_worker(
    client: Client, settings: Settings, models: Mapping[str, Model], toolset: Toolset, deltas: Deltas | None = None
) -> Worker:
    """Return a worker for ``settings.task_queue``, not yet running."""
    cache = TranscriptCache(settings.transcript_cache_bytes)
    reader = TranscriptReader(client, cache)
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[AgentTask],
        activities=[ModelActivities(models, reader, deltas).request_model, ToolActivities(toolset).call_tool],
        interceptors=[TranscriptSharing(cache.remember)],
        deployment_config=_VERSION,
        workflow_runner=sandboxed_runner(),
        sticky_queue_schedule_to_start_timeout=STICKY_QUEUE_TIMEOUT,
        max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        default_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        graceful_shutdown_timeout=GRACEFUL_SHUTDOWN_TIMEOUT,
        max_concurrent_activities=MAX_CONCURRENT_ACTIVITIES,
    )


async def _work(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    # Plain functions among the tools each take a thread: as many as there are activity slots.
    loop.set_default_executor(ThreadPoolExecutor(max_workers=MAX_CONCURRENT_ACTIVITIES, thread_name_prefix="tool"))
    app = load_catalog(settings, PublicFetcher(allow=settings.http_fetch_allow))
    for problem in app.problems:
        logger.warning("%s", problem)
    models = build_models(settings)
    connecting = asyncio.create_task(connect_when_ready(settings))
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            client = connecting.result()
            async with sending(settings) as deltas, build_worker(client, settings, models, app.toolset, deltas):
                logger.info("Working on task queue %s", settings.task_queue)
                await stopped
    finally:
        connecting.cancel()
        await _close(models)


async def _check(settings: Settings) -> None:
    models = build_models(settings)
    for check in await check_models(models, models_to_check(load_catalog(settings).models, settings)):
        sys.stdout.write(check.model_dump_json() + "\n")
    await _close(models)


async def _close(models: Mapping[str, Model]) -> None:
    await asyncio.gather(*(model.aclose() for model in models.values()))


def main() -> int:
    """Work until SIGTERM or Ctrl-C, or with ``--check-models`` ask each model once; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    shorten_activity_log()
    try:
        asyncio.run((_check if "--check-models" in sys.argv else _work)(Settings.load()))
    except ConfigurationInvalid as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    exit_process(main())
