"""``opspawn dev`` serves all tasks of its data directory, whichever version these started on."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.integration.cli.dev_process import DevProcess

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

ASKING = {"name": "asking", "model": "demo:demo", "tools": ["ask_person"]}
TEXT = 'call ask_person {"question": "Now?"}\nsay gone on'


def start_task(dev: DevProcess) -> str:
    """Start a task that asks a person; return its id."""
    body: dict[str, Any] = {"agent_spec": ASKING, "input": TEXT}
    response = httpx2.post(f"{dev.url}/api/v1/tasks", json=body, trust_env=False)
    assert response.status_code == 201, response.text
    task_id: str = response.json()["id"]
    while httpx2.get(f"{dev.url}/api/v1/tasks/{task_id}", trust_env=False).json()["status"] != "waiting":
        pass
    return task_id


def answered(dev: DevProcess, task_id: str) -> Any:
    """Answer a task; return its output."""
    assert dev.opspawn("answer", task_id, "Yes").returncode == 0
    task = httpx2.get(f"{dev.url}/api/v1/tasks/{task_id}", params={"wait": 30}, timeout=40, trust_env=False).json()
    return task["output"]


def test_tasks_go_on_when_dev_starts_with_another_build_id_or_none(dev: DevProcess) -> None:
    dev.variables = {"OPSPAWN_BUILD_ID": "v1"}
    dev.start()
    first, second = start_task(dev), start_task(dev)
    (version,) = dev.json_of("workers")["versions"]
    assert (version["build_id"], version["status"], version["tasks"]) == ("v1", "current", 2)
    dev.close()

    dev.variables = {"OPSPAWN_BUILD_ID": "v2"}
    dev.start()
    dev.wait_for_output("Tasks and conversations of version v1 that go on with these workers: 2")
    assert answered(dev, first) == "gone on"
    table = dev.opspawn("workers").stdout.splitlines()
    assert [line.split()[:4] for line in table[1:]] == [["v2", "current", "1", "1"], ["v1", "draining", "0", "0"]]
    dev.close()

    dev.variables = {}
    dev.start()
    dev.wait_for_output("Tasks and conversations of version v2 that go on with these workers: 1")
    assert answered(dev, second) == "gone on"
    refused = dev.opspawn("workers", "drain", "v3")
    assert refused.stdout == "No open task is pinned to version v3.\n"
