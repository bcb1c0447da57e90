"""The story of ``examples/bank-transfer``: ask, approve, kill the worker in mid-transfer, and the money moves once."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.acceptance.conftest import Stack, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/bank-transfer"
TRANSFER = 'call transfer_money {"to": "DE02", "euros": 700, "seconds": 60}'


@pytest.fixture
def app_files() -> dict[str, str]:
    """The example's own files."""
    return {str(path.relative_to(EXAMPLE)): path.read_text() for path in EXAMPLE.glob("[at]*/*.*")}


def run(stack: Stack, task_input: str) -> subprocess.Popen[bytes]:
    """Start ``opspawn run teller --follow`` as a person does; its output is in ``shown``."""
    command = [str(Path(sys.executable).with_name("opspawn")), "run", "teller", task_input, "--follow"]
    url = f"http://127.0.0.1:{stack.api_port}"
    with (stack.directory / "shown").open("wb") as output:
        return subprocess.Popen([*command, "--url", url], stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)


def shown(stack: Stack) -> str:
    return (stack.directory / "shown").read_text()


async def wait_until_shown(stack: Stack, text: str) -> None:
    async def is_shown() -> bool:
        return text in shown(stack)

    await eventually(is_shown, f"{text!r} in the terminal")


def booked(stack: Stack) -> list[dict[str, Any]]:
    """Return the transfers in the bank's account book."""
    book = stack.app_dir / "transfers.jsonl"
    return [json.loads(line) for line in book.read_text().splitlines()] if book.exists() else []


async def current_details(stack: Stack, task_id: str) -> str:
    """Return what the Temporal Web UI shows as the workflow's current details."""
    handle = (await stack.temporal()).get_workflow_handle(task_id)
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(metadata.current_details)


async def type_command(stack: Stack, command: str) -> None:
    """Run a command that is shown, in the directory of the terminal."""
    environment = {**os.environ, "TEMPORAL_ADDRESS": f"127.0.0.1:{stack.temporal_port}"}  # noqa: TID251  # PATH
    process = await asyncio.create_subprocess_exec(*shlex.split(command), cwd=ROOT, env=environment)
    async with asyncio.timeout(30):
        assert await process.wait() == 0


async def test_a_large_transfer_whose_worker_is_killed_is_approved_made_and_reported_once(stack: Stack) -> None:
    small = await stack.wait_for_end(await stack.submit('call transfer_money {"to": "DE01", "euros": 50}', "teller"))
    assert small["output"] == "Transferred 50 EUR to DE01.", "without approval"
    terminal = run(stack, TRANSFER)
    try:
        await wait_until_shown(stack, "task is waiting")
        lines = shown(stack).splitlines()
        task_id = next(line for line in lines if line.startswith("task task-")).split()[1]
        assert '     transfer_money {"to": "DE02", "euros": 700, "seconds": 60}' in lines
        command = next(line.strip() for line in lines if " workflow signal " in line)
        details = await current_details(stack, task_id)
        assert '"to": "DE02",\n  "euros": 700' in details
        assert command.partition(" --workflow-id ")[2] in details  # the workflow doesn't know Temporal's address
        assert len(booked(stack)) == 1

        await type_command(stack, command.replace("YOUR NAME", "ada"))
        await eventually(lambda: asyncio.sleep(0, len(booked(stack)) > 1), "the bank has booked it")
        stack.kill("worker")
        stack.start_worker("second")

        assert await asyncio.to_thread(terminal.wait, 60) == 0
    finally:
        terminal.kill()
        terminal.wait(10)

    story = shown(stack).partition("task is waiting")[2]
    assert "! input_1 approve by ada" in story
    assert "! transfer_money was started, and its worker was lost." in story
    assert "found out by its probe" in story
    assert story.partition("step 2 demo:demo")[2].count("Transferred 700 EUR to DE02.") == 1
    async with stack.client() as client:
        (call,) = (await client.get(f"/api/v1/tasks/{task_id}/tool-calls")).json()["tool_calls"]
    assert (call["state"], call["decided_by"], call["attempts"]) == ("done", "probe", 1)
    assert booked(stack)[1:] == [{"key": call["idempotency_key"], "to": "DE02", "euros": 700}]
    details = await current_details(stack, task_id)
    assert "the probe of transfer_money has found: it took effect" in details
    assert "Waits for your answer" not in details
