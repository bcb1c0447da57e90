"""Check the task queues of tools that other programs serve: does a worker poll each of them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from temporalio.client import Client
from temporalio.service import RPCError

from activities.temporal.task_queue_pollers import recent_pollers
from cli.doctor.finding import Finding

__all__ = ["external_tool_findings"]


async def external_tool_findings(client: Client, task_queues: Mapping[str, str]) -> list[Finding]:
    """Report each task queue and its tools; ``task_queues`` has the queue of each tool, by the tool's name."""
    by_queue: dict[str, list[str]] = defaultdict(list)
    for tool, queue in task_queues.items():
        by_queue[queue].append(tool)
    return [await _finding(client, queue, sorted(tools)) for queue, tools in sorted(by_queue.items())]


async def _finding(client: Client, queue: str, tools: list[str]) -> Finding:
    subject, names = f"Task queue {queue}", ", ".join(tools)
    try:
        pollers = await recent_pollers(client, queue, of_activities=True)
    except RPCError as error:
        return Finding(subject, "missing", f"Temporal refuses to list its workers: {error.message}")
    if not pollers:
        detail = f"no worker polls it, so calls of {names} wait. Start the program that serves them"
        return Finding(subject, "missing", detail)
    return Finding(subject, "ok", f"serves {names}; polled by {', '.join(poller.identity for poller in pollers)}")
