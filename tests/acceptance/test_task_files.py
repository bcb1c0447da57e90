"""The files of a task survive the worker that wrote them, and a call whose worker is killed changes none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Stack, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


@pytest.fixture
def app_files() -> dict[str, str]:
    return {"agents/analyst.yaml": "model: demo:demo\ntools: [python, shell, read_file, write_file, gate]"}


def call(tool: str, **arguments: str) -> str:
    return f"call {tool} {json.dumps(arguments)}"


def results(transcript: list[dict[str, object]]) -> list[str]:
    parts = [part for message in transcript for part in message["parts"]]  # type: ignore[attr-defined]
    return [str(part["content"]) for part in parts if part["type"] == "tool_result"]


def programs_of(worker: int) -> list[int]:
    """Return the processes of sandboxes that a worker has started."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and b"inside.confined_process" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return [pid for pid in found if _has_ancestor(pid, worker)]


def _has_ancestor(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


async def test_files_survive_a_killed_worker_and_its_unfinished_call_changes_none(stack: Stack) -> None:
    slow = "open('count', 'a').write('lost'); import time; time.sleep(8); open('count', 'a').write(' second')"
    task_id = await stack.submit(
        "\n".join(
            [
                call("python", code="open('count', 'w').write('first')"),
                call("python", code=slow),
                call("shell", command="cat count"),
                call("read_file", path="count"),
                "say done",
            ]
        ),
        agent="analyst",
    )
    worker = stack.pid("worker")

    async def runs_slowly() -> bool:
        async with stack.client() as http:
            response = await http.get(f"/api/v1/tasks/{task_id}/files")
        return bool(response.json().get("files")) and bool(programs_of(worker))

    await eventually(runs_slowly, "the second call runs")
    programs = programs_of(worker)
    stack.kill("worker")

    async def has_ended() -> bool:
        return all(_state(pid) == "Z" for pid in programs)

    await eventually(has_ended, "the killed worker's programs end with it")
    async with stack.client() as http:
        listed = (await http.get(f"/api/v1/tasks/{task_id}/files")).json()
        assert [(file["path"], file["size"]) for file in listed["files"]] == [("count", len("first"))]
    stack.start_worker("second")
    task = await stack.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "done")
    texts = results(await stack.transcript(task_id))
    assert "firstlost second" in texts[2], "the second attempt started from the same files"
    async with stack.client() as http:
        response = await http.get(f"/api/v1/tasks/{task_id}/files/count")
    assert response.text == "firstlost second"


async def test_the_calls_of_one_task_find_their_files_while_two_workers_poll(stack: Stack) -> None:
    stack.start_worker("second")
    lines = [call("python", code=f"open('n', 'a').write('{n} ')") for n in range(12)]
    task_id = await stack.submit("\n".join([*lines, "say done"]), agent="analyst")
    assert (await stack.wait_for_end(task_id))["output"] == "done"
    async with stack.client() as http:
        response = await http.get(f"/api/v1/tasks/{task_id}/files/n")
    assert response.text.split() == [str(n) for n in range(12)]


def _state(pid: int) -> str:
    """Return the state of a process; one that has ended is no more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
