"""Two approvals and an answer entirely by ``curl``, and entirely by Temporal's own command line.

The worker is killed between any two moves.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.acceptance.conftest import Stack, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

TEMPORAL = Path(sys.executable).with_name("temporal")

CLERK = """
name: clerk
model: demo:demo
tools: [pay, ask_person]
policy:
  - {tool: pay, then: ask, approvers: [finance]}
"""
TOOL = '''
from pathlib import Path

from agentkit.tools import tool


@tool(effect="irreversible")
def pay(cents: int, file: str) -> str:
    """Pay."""
    with Path(file).open("a") as payments:
        payments.write(f"{cents}\\n")
    return f"paid {cents}"
'''


def script(payments: Path) -> str:
    """Return the demo model's script: it pays twice, and asks once."""
    first, second = (json.dumps({"cents": cents, "file": str(payments)}) for cents in (700, 900))
    question = json.dumps({"question": "Which colour?", "choices": ["red", "blue"]})
    return f"call pay {first}\ncall ask_person {question}\ncall pay {second}\nsay All done."


@pytest.fixture
def app_files() -> Mapping[str, str]:
    """An agent that pays and asks, and its tool."""
    return {"agents/clerk.yaml": CLERK, "tools/pay.py": TOOL}


def restart_worker(stack: Stack) -> None:
    """Kill the worker, and start another."""
    stack.kill("worker")
    stack.start_worker()


async def run(*command: str, expect: int = 0) -> str:
    """Run a command, and return what it writes."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == expect, (command, output, errors)
    return output.decode() + (errors.decode() if expect else "")


async def curl(stack: Stack, path: str, body: JsonValue = None) -> dict[str, JsonValue]:
    """Request a path of the API by ``curl``."""
    sent = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    url = f"http://127.0.0.1:{stack.api_port}/api/v1{path}"
    value: dict[str, JsonValue] = json.loads(await run("curl", "-s", "--max-time", "50", url, *sent))
    return value


async def test_two_approvals_and_an_answer_are_given_by_curl(stack: Stack, tmp_path: Path) -> None:
    payments = tmp_path / "payments"
    task = await curl(stack, "/tasks", {"agent": "clerk", "input": script(payments)})
    path = f"/tasks/{task['id']}"

    async def is_open(request_id: str) -> bool:
        inbox = await curl(stack, "/input-requests?agent=clerk")
        requests = inbox["input_requests"]
        assert isinstance(requests, list)
        return [request["id"] for request in requests if isinstance(request, dict)] == [request_id]

    person: dict[str, JsonValue] = {"answered_by": "ada", "groups": ["finance"]}
    moves: dict[str, dict[str, JsonValue]] = {
        "input_1": {"decision": "approve"},
        "input_2": {"decision": "answer", "answer": "blue"},
        "input_3": {"decision": "approve"},
    }
    for request_id, decision in moves.items():
        await eventually(lambda request_id=request_id: is_open(request_id), f"{request_id} is open")  # type: ignore[misc]
        restart_worker(stack)
        answered = await curl(stack, f"{path}/input-requests/{request_id}", {**decision, **person})
        assert answered["id"] == task["id"], answered
    ended = await curl(stack, f"{path}?wait=40")
    assert (ended["status"], ended["output"]) == ("completed", "All done.")
    assert payments.read_text().split() == ["700", "900"]


async def test_two_approvals_and_an_answer_are_given_by_temporal_s_command_line(stack: Stack, tmp_path: Path) -> None:
    payments = tmp_path / "payments"
    task_id = str((await curl(stack, "/tasks", {"agent": "clerk", "input": script(payments)}))["id"])
    stack.terminate("api")

    async def temporal(*command: str, expect: int = 0, **options: JsonValue) -> str:
        given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        address = f"127.0.0.1:{stack.temporal_port}"
        return await run(
            *(str(TEMPORAL), "workflow", *command, "--address", address, "--workflow-id", task_id, *given),
            expect=expect,
        )

    handle = (await stack.temporal()).get_workflow_handle(task_id)

    async def is_open(request_id: str) -> bool:
        # Asked by the SDK until it is so: each start of the command line takes 0.2 s of CPU.
        queried = await handle.query("input_requests")
        return [request["id"] for request in queried["input_requests"] or []] == [request_id]

    async def command_shows(request_id: str) -> bool:
        queried = json.loads(await temporal("query", type="input_requests", output="json"))
        return [request["id"] for request in queried["queryResult"][0]["input_requests"] or []] == [request_id]

    def answer(request_id: str, **fields: JsonValue) -> str:
        return json.dumps({"input_request_id": request_id, "answered_by": "ada", "groups": ["finance"], **fields})

    await eventually(lambda: is_open("input_1"), "the first approval is open")
    assert await command_shows("input_1")
    stack.kill("worker")
    await temporal("signal", name="answer_input", input=answer("input_1", decision="approve"))
    stack.start_worker()
    await eventually(lambda: is_open("input_2"), "the question is open")
    restart_worker(stack)
    wrong = answer("input_2", decision="answer", answer="green")
    refusal = await temporal("update", "execute", name="answer_input", input=wrong, expect=1)
    assert "input_2 takes one of its choices as answer: red, blue" in refusal
    right = answer("input_2", decision="answer", answer="blue")
    await temporal("update", "execute", name="answer_input", input=right)
    restart_worker(stack)
    await eventually(lambda: is_open("input_3"), "the second approval is open")
    await temporal("signal", name="pause")
    await temporal("update", "execute", name="answer_input", input=answer("input_3", decision="approve"))
    restart_worker(stack)
    await temporal("update", "execute", name="resume")
    result = json.loads(await temporal("result", output="json"))
    assert result["result"]["output"] == "All done."
    assert payments.read_text().split() == ["700", "900"]
