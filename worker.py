"""A task-queue worker: the one place where concrete models, tools and clients are named. ``python worker.py``."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from temporalio.client import Client
from temporalio.worker import Worker

from activities.memory.memory_worker import serving_app_memory
from activities.settings import Settings, inherited_environment, warn_of_unknown_variables
from activities.storage.task_file_store import task_file_store
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.streaming.relay_client import token_relay
from activities.streaming.token_streams import TokenPublisher
from activities.temporal.payload_collector import collecting_payloads
from activities.temporal.process_exit import exit_process, stop_signal
from activities.temporal.task_queue_pollers import connect_worker
from activities.temporal.versions.deployment_version import task_deployment
from activities.temporal.worker_identity import own_identity
from activities.temporal.worker_metrics import start_metrics
from activities.tool_calls import ToolCalls
from activities.worker.event_loop_watch import watching_event_loop
from activities.worker.model_waits import measuring_model_waits
from activities.worker.worker_limits import worker_limits
from activities.worker.worker_log import set_up_worker_log, worker_secrets
from activities.worker.worker_service import serve_until
from activities.worker_activities import worker_activities
from agentkit.catalog.catalog import load_catalog
from agentkit.catalog.mcp_file import read_mcp_file
from agentkit.config.providers import models_to_check
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import Compactor, McpServers, Model, OutputChecker, Secrets, Toolset
from agentkit.llm import build_models
from agentkit.mcp import app_mcp_servers
from agentkit.memory import open_memory
from agentkit.runtime.model_check import write_model_checks
from agentkit.sandbox import build_sandbox
from agentkit.schemas.output_checker import OutputCheckProcesses
from agentkit.web import OneOriginClient, PublicFetcher, PublicHttpClient
from workflows.replayed_queries import reading_ended_workflows
from workflows.transcripts.transcript_sharing import TranscriptSharing
from workflows.worker_plugins import worker_plugins
from workflows.worker_workflows import WORKFLOWS
from workflows.workflow_sandbox import sandboxed_runner

__all__ = ["build_worker", "main"]

logger = logging.getLogger("opspawn.worker")


def build_worker(
    client: Client,
    settings: Settings,
    models: Mapping[str, Model],
    toolset: Toolset,
    checker: OutputChecker,
    publisher: TokenPublisher | None = None,
    tool_calls: ToolCalls | None = None,
    secrets: Secrets | None = None,
    mcp_servers: McpServers | None = None,
    compactor: Compactor | None = None,
    cache: TranscriptCache | None = None,
) -> Worker:
    """Return a worker for ``settings.task_queue``; it isn't running yet."""
    webhook = None if settings.input_webhook is None else OneOriginClient(settings.input_webhook)
    client, cache = reading_ended_workflows(client), cache or TranscriptCache(settings.transcript_cache_bytes)
    parts = (client, settings, models, toolset, TranscriptReader(client, cache), checker, publisher, tool_calls)
    return Worker(
        client,
        task_queue=settings.task_queue,
        identity=str(own_identity(settings)),
        workflows=WORKFLOWS,
        activities=worker_activities(*parts, secrets, webhook, mcp_servers, compactor),
        interceptors=[TranscriptSharing(cache.share)],
        plugins=worker_plugins(client, settings, secrets),
        deployment_config=task_deployment(settings),
        workflow_runner=sandboxed_runner(),
        **worker_limits(settings),
    )


async def _serve(settings: Settings) -> None:
    """Run a worker until SIGTERM or Ctrl-C; wait for Temporal first, as long as it takes."""
    meter, stop_requested = start_metrics(settings.worker_metrics), stop_signal()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(32))  # look-ups, payloads; tools have others
    secrets = worker_secrets(settings)
    sandbox = build_sandbox(settings.sandbox, slots=settings.sandbox_slots)
    logger.info("Sandbox: %s", sandbox.description)
    fetchers = (PublicFetcher(allow=settings.http_fetch_allow), PublicHttpClient(allow=settings.http_fetch_allow))
    directories = {"app_dir": settings.app_dir, "log_dir": settings.data_dir / "mcp"}
    mcp = app_mcp_servers(read_mcp_file(settings.app_dir).enabled, secrets, inherited_environment(), **directories)
    catalog = load_catalog(settings, *fetchers, secrets, sandbox, task_file_store(settings), mcp)
    catalog.start(logger)
    catalog.on_mcp_servers_changed(mcp.replace_servers)
    models = build_models(settings)
    warming_up = asyncio.create_task(catalog.toolset.warm_up())
    connecting, stopping = asyncio.create_task(connect_worker(settings)), asyncio.create_task(stop_requested.wait())
    try:
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            client, cache = connecting.result(), TranscriptCache(settings.transcript_cache_bytes)
            await warming_up
            async with (
                token_relay(settings) as relay,
                OutputCheckProcesses() as check,
                collecting_payloads(client, settings),
                watching_event_loop(),
                measuring_model_waits(models, meter),
                ToolCalls(meter=meter) as calls,
                serving_app_memory(client, settings, models, cache, secrets, open_memory, worker_plugins),
                build_worker(client, settings, models, catalog.toolset, check, relay, calls, secrets, mcp, None, cache),
            ):
                await serve_until(stopping, client, settings, models)
    finally:
        connecting.cancel()
        await catalog.aclose()
        await mcp.aclose()
        sandbox.close()
        await asyncio.gather(*(model.aclose() for model in models.values()))


async def _check_models(settings: Settings) -> None:
    """Check each model that an agent names; print one line of JSON for each."""
    names = models_to_check(load_catalog(settings).models, settings)
    await write_model_checks(build_models(settings), names, sys.stdout)


def main() -> int:
    """Run a worker, or with ``--check-models`` check the models; return the exit code: 0, or 2 for bad settings."""
    set_up_worker_log()
    warn_of_unknown_variables()
    try:
        asyncio.run((_check_models if "--check-models" in sys.argv else _serve)(Settings.load()))
    except ConfigurationInvalid as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    exit_process(main())
