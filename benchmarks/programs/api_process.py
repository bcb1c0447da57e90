"""An API process that reports its resource usage: for each line on stdin it writes a line of JSON.

``cpu`` is in seconds, ``memory`` is the peak in MiB, ``polls`` are the long polls of histories in flight, ``behind`` is
the median age in ms, since the line before, of the ends of activities and tasks when Temporal's response had them.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import uvicorn
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse
from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.catalog.catalog import load_catalog
from api.app import create_app

__all__ = ["main"]

_MAXRSS_PER_MIB = 1_048_576 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` is in bytes on macOS, in KiB elsewhere."""
_ENDS = (EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)


class _PollCounter:
    """Counts the long polls that a client has in flight, and measures how late the ends that they return are."""

    def __init__(self, client: Client) -> None:
        self.in_flight = 0
        self._behind_ms: list[float] = []
        self._get_history = client.workflow_service.get_workflow_execution_history
        setattr(client.workflow_service, "get_workflow_execution_history", self._count)  # noqa: B010  # not assignable

    async def _count(
        self, request: GetWorkflowExecutionHistoryRequest, **options: object
    ) -> GetWorkflowExecutionHistoryResponse:
        self.in_flight += request.wait_new_event
        try:
            response = await self._get_history(request, **options)  # type: ignore[arg-type]  # passed on unchanged
        finally:
            self.in_flight -= request.wait_new_event
        self._measure(response.history.events)
        return response

    def _measure(self, events: Iterable[HistoryEvent]) -> None:
        now = time.time_ns()
        ends = (event for event in events if event.event_type in _ENDS)
        self._behind_ms += [(now - event.event_time.ToNanoseconds()) / 1e6 for event in ends]

    def behind_ms(self) -> float | None:
        """Return the median since the last call; None without any."""
        behind_ms, self._behind_ms = self._behind_ms, []
        return median(behind_ms) if behind_ms else None


async def _serve(options: Namespace) -> None:
    settings = Settings.load(
        options.app_dir,
        task_queue=options.task_queue,
        data_dir=options.data_dir,
        relay_port=options.relay_port,
        check_keys=False,
    )
    client = await Client.connect(options.temporal, data_converter=data_converter(settings))
    polls = _PollCounter(client)
    app = create_app(settings, load_catalog(settings), client=client, relay=True)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", options.port), backlog=1024) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while await asyncio.to_thread(sys.stdin.readline):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_PER_MIB
            usage = {"cpu": time.process_time(), "memory": peak, "polls": polls.in_flight, "behind": polls.behind_ms()}
            sys.stdout.write(json.dumps(usage) + "\n")
            sys.stdout.flush()
        server.should_exit = True
        await serving


def main() -> None:
    """Serve until stdin closes."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--task-queue", required=True)
    parser.add_argument("--temporal", required=True)
    parser.add_argument("--app-dir", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--relay-port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
