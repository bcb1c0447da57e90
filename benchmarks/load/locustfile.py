"""What a user of the API does, for locust: submits tasks, watches them to their end, answers approvals, lists.

``python -m benchmarks.load`` starts the servers and runs this. ``LOAD_TASKS_FILE`` names the file to which the ids of
all accepted tasks are written, so that it can be checked that none is lost.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from itertools import cycle
from pathlib import Path
from time import perf_counter

from locust import HttpUser, constant, task

__all__ = ["ApiUser"]

_HOSTS = cycle(os.environ["LOAD_HOSTS"].split(","))  # noqa: TID251  # locust imports this file: there is no other way in
_ACCEPTED = Path(os.environ["LOAD_TASKS_FILE"])  # noqa: TID251
_REQUEST_ID = "input_1"


class ApiUser(HttpUser):
    """One user, who does one thing after another with a pause of a second; users are spread over the APIs."""

    wait_time = constant(1)

    def on_start(self) -> None:
        """Choose the next API."""
        self.client.base_url = next(_HOSTS)

    @task(5)
    def submit_and_watch(self) -> None:
        """Start a task with a tool call, and read its events to the end."""
        task_id = self._submit("allowing")
        if task_id:
            self._watch(task_id)

    @task(2)
    def submit_and_answer(self) -> None:
        """Start a task that asks for an approval; approve when it waits, and read on to its end."""
        task_id = self._submit("asking")
        if not task_id:
            return
        self._watch(task_id, until="input.requested")
        path = f"/api/v1/tasks/{task_id}/input-requests/{_REQUEST_ID}"
        body = {"decision": "approve", "answered_by": "ada"}
        if self.client.post(path, json=body, name="answer").ok:
            self._watch(task_id)

    @task(3)
    def list_tasks(self) -> None:
        """Read the newest tasks, and the inbox."""
        self.client.get("/api/v1/tasks?limit=20", name="list tasks")
        self.client.get("/api/v1/input-requests", name="list input requests")

    def _submit(self, agent: str) -> str | None:
        body = {"agent": agent, "input": 'call pay {"cents": 700}'}
        response = self.client.post("/api/v1/tasks", json=body, name="submit")
        if not response.ok:
            return None
        task_id: str = response.json()["id"]
        with _ACCEPTED.open("a") as file:
            file.write(f"{task_id}\n")
        return task_id

    def _watch(self, task_id: str, until: str = "task.completed") -> None:
        """Read the event stream up to an event of this type; report the time, and a stream that ends without it."""
        started = perf_counter()
        exception: Exception | None = RuntimeError(f"the stream ended without {until}")
        path = f"/api/v1/tasks/{task_id}/events"
        with closing(self.client.get(path, stream=True, name="watch: first byte")) as response:
            for line in response.iter_lines():
                if line.startswith(b"data:") and json.loads(line[5:]).get("type") == until:
                    exception = None
                    break
        self.environment.events.request.fire(
            request_type="SSE",
            name=f"watch until {until}",
            response_time=(perf_counter() - started) * 1000,
            response_length=0,
            exception=exception,
            context={},
        )
