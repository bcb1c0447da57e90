"""Refuse to share a task queue with workers of another app, and name the commands that avoid it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from temporalio.client import Client
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.task_queue_pollers import TaskQueueInUse, require_no_other_app
from activities.temporal.worker_identity import app_id
from cli.errors import UsageWrong

__all__ = ["check_task_queue", "free_task_queue"]


async def check_task_queue(client: Client, settings: Settings, cures: Mapping[str, str]) -> None:
    """Check that no running worker of another app polls the task queue; ``cures`` are commands, by what they do.

    Raises:
        UsageWrong: one does; the message has the cures.
    """
    try:
        with suppress(RPCError):  # the worker warns about it
            await require_no_other_app(client, settings)
    except TaskQueueInUse as in_use:
        lines = [in_use.reason(in_use.worker, settings)]
        for label, command in cures.items():
            lines += [f"{label}:", f"  {command}"]
        lines.append("If both are the same app, set the same app_name in the opspawn.toml of both.")
        raise UsageWrong("\n".join(lines)) from None


def free_task_queue(settings: Settings) -> str:
    """Return a name for a task queue of this app's own: other than the configured one."""
    name = app_id(settings).rpartition("-")[0] if settings.app_name is None else settings.app_name
    return name if name != settings.task_queue else app_id(settings)
