"""``opspawn worker``: become a worker process, after a check that no other app uses the task queue."""

from __future__ import annotations

import asyncio
import os

from activities.settings import Settings
from activities.shell_commands import same_command
from activities.temporal.client import temporal_address
from cli.command_options import AppDir, DataDir, TemporalPort, app_settings
from cli.dev.child_environment import child_environment
from cli.dev.module_command import module_command
from cli.dev.ports import accepts_connections
from cli.errors import ServerUnreachable
from cli.task_queue_check import check_task_queue, free_task_queue
from cli.temporal_checks import connect_to_temporal, host_and_port

__all__ = ["worker"]


def worker(app_dir: AppDir = None, data_dir: DataDir = None, temporal_port: TemporalPort = None) -> None:
    """Start a worker, which runs the tasks of an app, until Ctrl-C.

    It waits for Temporal. An app may have any number of workers; they and the API share the data directory.
    """
    settings = app_settings(app_dir, data_dir=data_dir)
    address = f"127.0.0.1:{temporal_port}" if temporal_port is not None else temporal_address(settings)
    asyncio.run(_check_task_queue(settings, address))
    command = module_command("worker")
    environment = child_environment(settings, temporal_address=address, relay_port=settings.relay_port)
    os.execve(command[0], command, environment)


async def _check_task_queue(settings: Settings, address: str) -> None:
    """Check it if Temporal responds; else the worker does when it does."""
    if not accepts_connections(*host_and_port(address)):
        return
    try:
        client = await connect_to_temporal(settings, address=address)
    except ServerUnreachable:
        return
    command = same_command({}, variables={"OPSPAWN_TASK_QUEUE": free_task_queue(settings)})
    await check_task_queue(
        client, settings, {"Give this app a task queue of its own, the same for its API and its workers": command}
    )
