"""Workers of an old version are killed in mid-task: another of that version, or a drain, gives its tasks an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentkit.client import OpspawnClient
from tests.acceptance.conftest import Stack, eventually
from tests.process_starter import ProcessStarter

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


@dataclass
class VersionedStack(Stack):
    """A worker's name is its build id."""

    def variables_of(self, name: str) -> Mapping[str, str]:
        return {} if name == "api" else {"OPSPAWN_BUILD_ID": name}

    async def make_current(self, client: OpspawnClient, build_id: str) -> None:
        """Make a version current once it polls."""

        async def is_current() -> bool:
            versions = (await client.workers.list()).versions
            if not any(each.build_id == build_id and each.workers for each in versions):
                return False
            return (await client.workers.set_current(build_id)).current == build_id

        await eventually(is_current, f"{build_id} is current")

    async def task(self, task_id: str) -> dict[str, Any]:
        """Return a task."""
        async with self.client() as client:
            task: dict[str, Any] = (await client.get(f"/api/v1/tasks/{task_id}")).json()
        return task

    async def until_stalled(self, *task_ids: str) -> None:
        """Wait until tasks are shown as pinned to a version without workers, with the command that moves them."""

        async def are_stalled() -> bool:
            found = [(await self.task(task_id))["stalled"] for task_id in task_ids]
            return all(stalled and stalled["kind"] == "version" for stalled in found)

        await eventually(are_stalled, "the tasks are stalled")
        for task_id in task_ids:
            assert "`opspawn workers drain v1`" in (await self.task(task_id))["stalled"]["message"]

    async def build_of(self, task_id: str) -> str:
        """Return the build id of the workers that a task ran on last."""
        described = await (await self.temporal()).get_workflow_handle(task_id).describe()
        version = described.raw_description.workflow_execution_info.versioning_info.deployment_version
        return str(version.build_id)


@pytest.fixture
async def versioned(
    tmp_path: Path, temporal_port: int, process_starter: ProcessStarter
) -> AsyncIterator[VersionedStack]:
    """Start an API, and a worker of version v1."""
    stack = VersionedStack(tmp_path, temporal_port, f"killed-{tmp_path.name}", process_starter=process_starter)
    stack.write_app()
    try:
        stack.start_worker("v1")
        stack.start_api()
        yield stack
    finally:
        stack.stop()


async def test_tasks_of_killed_workers_go_on_with_their_version_or_with_the_one_they_are_moved_to(
    versioned: VersionedStack, tmp_path: Path
) -> None:
    gates = {name: tmp_path / name for name in ("stays", "moves")}
    tasks: dict[str, str] = {}
    async with OpspawnClient(f"http://127.0.0.1:{versioned.api_port}") as client:
        await versioned.make_current(client, "v1")
        for name, gate in gates.items():
            gate.mkdir()
            call = f"call gate {json.dumps({'directory': str(gate)})}"
            tasks[name] = await versioned.submit(f"{call}\nsay done")
            await eventually(partial(_exists, gate / "attempt-1"), "the call runs")
        versioned.start_worker("v2")
        await versioned.make_current(client, "v2")

        versioned.kill("v1")
        await versioned.until_stalled(*tasks.values())
        new = await versioned.submit("say new")
        assert (await versioned.wait_for_end(new))["status"] == "completed"
        assert await versioned.build_of(new) == "v2"

        versioned.start_worker("v1")
        (gates["stays"] / "open").touch()
        assert (await versioned.wait_for_end(tasks["stays"]))["output"] == "done"
        assert await versioned.build_of(tasks["stays"]) == "v1"

        versioned.kill("v1")
        await versioned.until_stalled(tasks["moves"])
        drained = await client.workers.drain("v1", override=True)
        assert (drained.signalled, drained.moved, drained.remaining) == (0, 1, 0)
        (gates["moves"] / "open").touch()
        ended = await versioned.wait_for_end(tasks["moves"])
        assert (ended["output"], ended["stalled"]) == ("done", None)
        assert await versioned.build_of(tasks["moves"]) == "v2"

        async def holds_none() -> bool:
            listed = await client.workers.list()
            found = {(each.deployment, each.build_id): each.tasks for each in listed.versions}
            return found == {(listed.deployment, "v1"): 0, (listed.deployment, "v2"): 0}

        await eventually(holds_none, "no version has tasks")


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)
