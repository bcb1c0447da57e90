"""The API as a process of its own that tells what it uses: each line on its stdin is answered with a line of JSON.

``cpu`` are seconds, ``memory`` is the most that it had so far in MiB, ``polls`` the long polls of histories in flight.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import uvicorn
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse
from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.client import data_converter
from agentkit.catalog.catalog import load_catalog
from api.app import create_app

__all__ = ["main"]

_UNIT = 1_048_576 if sys.platform == "darwin" else 1024
"""What makes MiB of ``ru_maxrss``."""


class _Polls:
    """Counts the long polls that a client has in flight."""

    def __init__(self, client: Client) -> None:
        self.now = 0
        self._ask = client.workflow_service.get_workflow_execution_history
        setattr(client.workflow_service, "get_workflow_execution_history", self._counted)  # noqa: B010  # not assignable

    async def _counted(
        self, request: GetWorkflowExecutionHistoryRequest, **options: object
    ) -> GetWorkflowExecutionHistoryResponse:
        self.now += request.wait_new_event
        try:
            return await self._ask(request, **options)  # type: ignore[arg-type]  # passed on as they came
        finally:
            self.now -= request.wait_new_event


async def _serve(where: Namespace) -> None:
    settings = Settings.load(
        where.app_dir,
        task_queue=where.task_queue,
        data_dir=where.data_dir,
        relay_port=where.relay_port,
        check_keys=False,
    )
    client = await Client.connect(where.temporal, data_converter=data_converter(settings))
    polls = _Polls(client)
    app = create_app(settings, load_catalog(settings), client=client, relay=True)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", where.port), backlog=1024) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while await asyncio.to_thread(sys.stdin.readline):
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
            used = {"cpu": time.process_time(), "memory": most, "polls": polls.now}
            sys.stdout.write(json.dumps(used) + "\n")
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
