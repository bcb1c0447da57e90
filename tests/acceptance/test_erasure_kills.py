"""Erasures outlive kills: of the worker in the middle of a sweep, and of the API before it has responded."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import grpc
import httpx2
import pytest
from grpc import aio
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.payload_storage import payload_directory
from api.tasks.erasure.workflow_erasure import WorkflowErasure
from api.tasks.task_workflows import TaskWorkflows
from tests.acceptance.conftest import Stack, eventually
from tests.process_starter import ProcessStarter

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

SECRET = "planted-5d1c77"
FILES = 20_000
"""So many files a sweep takes a while to delete."""


async def submit(stack: Stack, key: str) -> httpx2.Response:
    body = {"agent": "porter", "input": f"say {SECRET}\n" + f"{SECRET} " * 30_000}
    async with stack.client() as client:
        return await client.post("/api/v1/tasks", json=body, headers={"Idempotency-Key": key})


async def ended_task(stack: Stack, key: str) -> str:
    """Return the id of a task that has ended, and whose payloads are files."""
    created = await submit(stack, key)
    assert created.status_code == 201, created.text
    task_id: str = created.json()["id"]
    task = await stack.wait_for_end(task_id)
    assert task["status"] == "completed", task
    return task_id


async def erase(stack: Stack, task_id: str) -> dict[str, Any]:
    async with stack.client() as client:
        response = await client.delete(f"/api/v1/tasks/{task_id}")
    assert response.status_code == 202, response.text
    erased: dict[str, Any] = response.json()
    return erased


def payloads_of(stack: Stack, task_id: str) -> Path:
    return stack.directory / "data" / "payloads" / payload_directory("default", task_id)


def kill_while_files_go(stack: Stack, files: Path) -> None:
    """Kill the worker as soon as it has deleted the first of the files."""
    with os.scandir(files) as entries:
        first = Path(next(entries).path)  # they are deleted in this order
    deadline = time.monotonic() + 30
    while first.exists():
        assert time.monotonic() < deadline, "nothing is deleted"
    stack.kill("worker")


async def test_a_sweep_goes_on_after_its_worker_was_killed_in_the_middle_of_it(stack: Stack) -> None:
    key = f"once {stack.task_queue}"
    task_id = await ended_task(stack, key)
    own = payloads_of(stack, task_id)
    assert any(SECRET.encode() in path.read_bytes() for path in own.rglob("*") if path.is_file())
    files = own / "files"
    files.mkdir()
    for number in range(FILES):
        (files / f"{number}.txt").touch()
    client = await stack.temporal()
    execution = await client.get_workflow_handle(task_id).describe()
    erasure = WorkflowErasure(client, stack.settings, TaskWorkflows(client, stack.settings), grace_s=0)
    killing = asyncio.create_task(asyncio.to_thread(kill_while_files_go, stack, files))
    await erasure.start(execution)
    await killing
    assert 0 < len(list(files.iterdir())) < FILES
    async with stack.client() as http:
        gone = await http.get(f"/api/v1/tasks/{task_id}")
    assert gone.status_code == 410, gone.text

    async def is_erased() -> bool:
        status: str = (await erase(stack, task_id))["status"]
        return status == "erased"

    stack.start_worker()
    await eventually(is_erased, "nothing is left of the task", timeout_s=60)
    assert not own.exists()
    with pytest.raises(RPCError) as no_run:
        await client.get_workflow_handle(task_id, run_id=execution.run_id).fetch_history()
    assert no_run.value.status is RPCStatusCode.NOT_FOUND
    assert SECRET not in (await client.get_workflow_handle(task_id).fetch_history()).to_json()
    again = await submit(stack, key)
    assert (again.status_code, again.json()["type"]) == (410, "urn:opspawn:problem:task-erased")
    assert not any(SECRET.encode() in path.read_bytes() for path in own.parents[1].rglob("*") if path.is_file())


@dataclass
class Wire(grpc.GenericRpcHandler):
    """A proxy in front of Temporal that can stop at the request that starts an erasure."""

    channel: aio.Channel
    port: int = 0
    stops: Literal["nowhere", "at the request", "at the response"] = "nowhere"
    """``at the request``: it doesn't reach Temporal. ``at the response``: Temporal's response doesn't reach the API."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Return what forwards the calls of a method."""
        call: aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(details.method)

        async def forward(request: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
            stops = self.stops if b"TaskErasure" in request else "nowhere"
            if stops == "at the request":
                await self._stop()
            sent = [(key, value) for key, value in context.invocation_metadata() or () if key != "user-agent"]
            try:
                response: bytes = await call(request, metadata=aio.Metadata(*sent), timeout=context.time_remaining())
            except aio.AioRpcError as error:
                context.set_trailing_metadata(error.trailing_metadata())
                await context.abort(error.code(), error.details() or "")
            if stops == "at the response":
                await self._stop()
            return response

        return grpc.unary_unary_rpc_method_handler(forward)

    async def _stop(self) -> None:
        self.stopped.set()
        await asyncio.Event().wait()


@dataclass
class WiredStack(Stack):
    """Its API reaches Temporal through a wire."""

    wire_port: int = 0

    def variables_of(self, name: str) -> Mapping[str, str]:
        return {"TEMPORAL_ADDRESS": f"127.0.0.1:{self.wire_port}"} if name == "api" else {}


@pytest.fixture
async def wire(temporal_port: int) -> AsyncIterator[Wire]:
    """Forward to the shared Temporal."""
    async with aio.insecure_channel(f"127.0.0.1:{temporal_port}") as channel:
        wire, server = Wire(channel), aio.server()
        server.add_generic_rpc_handlers([wire])
        wire.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        yield wire
        await server.stop(None)


@pytest.fixture
async def wired_stack(
    tmp_path: Path, temporal_port: int, process_starter: ProcessStarter, wire: Wire
) -> AsyncIterator[WiredStack]:
    """Start a worker, and an API behind the wire."""
    queue = f"wired-{wire.port}"
    stack = WiredStack(tmp_path, temporal_port, queue, process_starter=process_starter, wire_port=wire.port)
    stack.write_app()
    try:
        stack.start_worker()
        stack.start_api()
        await stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


async def test_an_erasure_whose_api_was_killed_before_it_responded_is_repeated_with_the_same_result(
    wired_stack: WiredStack, wire: Wire
) -> None:
    stack = wired_stack
    task_id = await ended_task(stack, f"once {stack.task_queue}")
    for stops, status in (("at the request", 200), ("at the response", 410)):
        wire.stops = stops  # type: ignore[assignment]
        request = asyncio.create_task(erase(stack, task_id))
        await asyncio.wait_for(wire.stopped.wait(), 30)
        assert not request.done()
        stack.kill("api")
        with pytest.raises(httpx2.TransportError):
            await request
        wire.stops = "nowhere"
        wire.stopped.clear()
        stack.start_api()
        await stack.wait_until_ready()
        async with stack.client() as client:
            shown = await client.get(f"/api/v1/tasks/{task_id}")
        assert shown.status_code == status, shown.text
    body = {"id": task_id, "status": "erasing", "memories": None, "waiting_for_worker": False, "problem": None}
    assert [await erase(stack, task_id) for _ in range(2)] == [body] * 2
    payloads = payloads_of(stack, task_id)

    async def are_gone() -> bool:
        return not payloads.exists()

    await eventually(are_gone, "its payloads are erased")
