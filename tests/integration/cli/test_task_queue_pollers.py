"""Which pollers of a task queue are running workers of another app: with polls of made-up workers."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal import task_queue_pollers
from activities.temporal.task_queue_pollers import (
    TaskQueueInUse,
    recent_pollers,
    require_no_other_app,
    require_no_other_app_started,
)
from activities.temporal.worker_identity import WorkerIdentity, own_identity
from cli.temporal_checks import connect_to_temporal

pytestmark = pytest.mark.acceptance

HOST = socket.gethostname()


@pytest.fixture
async def client(bare_temporal: str) -> Client:
    return await connect_to_temporal(Settings(), address=bare_temporal)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(app_dir=tmp_path / "mine")


@pytest.fixture
def ended_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


async def poll(client: Client, settings: Settings, worker: WorkerIdentity) -> None:
    """Begin a long poll, and give it up when Temporal lists it."""
    before = {poller.identity: poller for poller in await recent_pollers(client, settings.task_queue)}
    request = PollWorkflowTaskQueueRequest(
        namespace="default", task_queue=TaskQueue(name=settings.task_queue), identity=str(worker)
    )
    polling = asyncio.create_task(client.workflow_service.poll_workflow_task_queue(request))
    async with asyncio.timeout(20):
        while True:
            after = {poller.identity: poller for poller in await recent_pollers(client, settings.task_queue)}
            if str(worker) in after and after[str(worker)] != before.get(str(worker)):
                break
    polling.cancel()
    await asyncio.wait({polling})


async def test_a_queue_without_workers_has_none(client: Client, settings: Settings) -> None:
    assert await recent_pollers(client, "no-such-queue") == []
    await require_no_other_app(client, settings)


async def test_a_running_worker_of_another_app_is_refused(client: Client, settings: Settings) -> None:
    other = WorkerIdentity(os.getpid(), HOST, "theirs")
    await poll(client, settings, other)

    with pytest.raises(TaskQueueInUse, match=r"in use by the app theirs .*this app is mine-.*OPSPAWN_TASK_QUEUE"):
        await require_no_other_app(client, settings)


async def test_workers_of_the_same_app_and_ended_ones_are_no_obstacle(
    client: Client, settings: Settings, ended_pid: int
) -> None:
    for worker in (own_identity(settings), WorkerIdentity(ended_pid, HOST, "theirs")):
        await poll(client, settings, worker)

    async with asyncio.timeout(20):
        await require_no_other_app(client, settings)


async def test_a_worker_of_another_machine_is_refused_when_it_polls_again(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    other = WorkerIdentity(1, "elsewhere", "theirs")
    await poll(client, settings, other)
    checking = asyncio.create_task(require_no_other_app(client, settings))
    async with asyncio.timeout(20):
        while "Waiting up to 70 s" not in caplog.text:
            await asyncio.wait({checking}, timeout=0.05)
            assert not checking.done()

    await poll(client, settings, other)

    with pytest.raises(TaskQueueInUse, match="elsewhere"):
        await asyncio.wait_for(checking, 20)


async def test_a_worker_of_another_machine_that_polls_no_more_is_no_obstacle(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await poll(client, settings, WorkerIdentity(1, "elsewhere", "theirs"))
    monkeypatch.setattr(task_queue_pollers, "MAX_POLL_AGE", timedelta(seconds=3))

    await asyncio.wait_for(require_no_other_app(client, settings), 30)


async def test_of_two_apps_that_start_at_once_each_sees_the_other(client: Client, settings: Settings) -> None:
    await poll(client, settings, WorkerIdentity(os.getpid(), HOST, "theirs"))
    await poll(client, settings, own_identity(settings))

    with pytest.raises(TaskQueueInUse, match="in use by the app theirs"):
        await require_no_other_app_started(client, settings)


async def test_a_namespace_that_is_missing_is_an_error_of_temporal(bare_temporal: str, settings: Settings) -> None:
    client = await connect_to_temporal(settings, address=bare_temporal)
    nowhere = await Client.connect(client.service_client.config.target_host, namespace="nowhere")

    with pytest.raises(RPCError):
        await require_no_other_app(nowhere, settings)
