"""No payment is made twice, and none is lost, while the worker or Temporal is killed at random moments around calls."""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agentkit.client import ApiUnreachable, OpspawnClient, Task
from tests.acceptance.conftest import Stack, eventually
from tests.payment_server import PaymentServer, payment_server

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

KILLS = 4
TASKS_PER_KILL = 25
MOMENTS_PER_KILL = 60
"""Of the 75 moments that the server sees of the tasks of one kill."""
LONGEST_PAUSE_S = 10
"""Before a kill: fewer moments pass when calls are cut off before they reach the server."""
MAX_THINKING_MS = 600
TOOLS = ("pay", "remit", "wire")
SETTLING_TIMEOUT_S = 180
MAX_ANSWERS = 5
"""Of one task: a call that is made again may be cut off again."""
CONCURRENT_REQUESTS = 10
SERVED_WITHIN_S = 60

PAYMENT_TOOLS = '''
"""Three ways to pay: "pay" and "remit" can find out what became of a payment, "wire" can't."""

import httpx2

from agentkit.tools import Done, NotDone, ToolContext, tool

URL = "<URL>/payments"


def find_payment(key: str, arguments: dict) -> Done | NotDone:
    response = httpx2.get(f"{URL}/{key}", trust_env=False, verify=False)
    if response.status_code == 404:
        return NotDone("there is no such payment")
    return Done(response.raise_for_status().json()["receipt"])


async def _pay(context: ToolContext) -> str:
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        response = await client.post(URL, json={"key": context.idempotency_key})
    return response.raise_for_status().json()["receipt"]


@tool(effect="irreversible", probe=find_payment, timeout=3)
async def pay(context: ToolContext) -> str:
    """Pay once."""
    return await _pay(context)


@tool(effect="irreversible", probe=find_payment, timeout=3)
def remit(context: ToolContext) -> str:
    """Pay once, and block a thread meanwhile."""
    response = httpx2.post(URL, json={"key": context.idempotency_key}, trust_env=False, verify=False)
    return response.raise_for_status().json()["receipt"]


@tool(effect="irreversible", timeout=3)
async def wire(context: ToolContext) -> str:
    """Pay once."""
    return await _pay(context)
'''
PAYER = """
model: demo:demo
tools: [pay, remit, wire]
policy: [{tool: "*", then: allow}]
"""


@pytest.fixture
def seed() -> int:
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")  # pytest shows it when the test fails
    return seed


@pytest.fixture
async def payments(tmp_path: Path, seed: int) -> AsyncIterator[PaymentServer]:
    async with payment_server(tmp_path / "ledger", seed) as server:
        yield server


@pytest.fixture
async def app_files(payments: PaymentServer) -> dict[str, str]:
    return {"tools/payments.py": PAYMENT_TOOLS.replace("<URL>", payments.url), "agents/payer.yaml": PAYER}


@dataclass
class PaymentRuns:
    """Tasks with one payment each, and what became of them."""

    stack: Stack
    server: PaymentServer
    generator: random.Random
    kills: int
    task_ids: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """How many tasks ended up with each tool, status, state of the call, and with whose word on it."""
    waiting: list[str] = field(default_factory=list)
    """The tasks that asked a person when they were checked."""
    problems: list[str] = field(default_factory=list)

    async def start(self, kill_and_restart: Callable[[], None]) -> None:
        """Start tasks, and kill around their calls, again and again.

        The next tasks start, and the next kill comes, while those before are still being settled.
        """
        url = f"http://127.0.0.1:{self.stack.api_port}"
        async with OpspawnClient(url, reconnect_timeout=SETTLING_TIMEOUT_S) as client:
            for _ in range(self.kills):
                async with asyncio.TaskGroup() as group:
                    submitting = [group.create_task(_submit(client, self._input())) for _ in range(TASKS_PER_KILL)]
                    moments = self.generator.randint(1, MOMENTS_PER_KILL)
                    await self.server.wait_for_moments(moments, LONGEST_PAUSE_S)
                    kill_and_restart()
                self.task_ids += [task.result().id for task in submitting]
                await self.stack.wait_until_ready()

    async def check(self, task_ids: Sequence[str]) -> None:
        """Wait until each of these tasks has ended or asks a person, and compare it with the server's ledger."""
        await self._for_each(task_ids, self._check_task)
        counts = Counter(key for key, _ in self.server.payments())
        self.problems += [f"{key}: paid {count} times" for key, count in counts.items() if count > 1]
        sys.stdout.write("".join(f"{count:4} {outcome}\n" for outcome, count in sorted(self.outcomes.items())))

    async def answer_all(self) -> None:
        """Answer as a person does who looks in the server's ledger, until the tasks that wait have ended."""
        self.server.is_slow = False
        await self._for_each(self.waiting, self._answer)

    def count(self, outcome: str) -> int:
        """Return how many tasks ended up so, with any tool."""
        return sum(count for text, count in self.outcomes.items() if outcome in text)

    def _input(self) -> str:
        tool = self.generator.choice(TOOLS)
        return f"think {self.generator.randint(0, MAX_THINKING_MS)}\ncall {tool} {{}}\nsay done"

    async def _for_each(
        self, task_ids: Sequence[str], act: Callable[[httpx2.AsyncClient, str], Awaitable[None]]
    ) -> None:
        slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

        async def act_in_slot(task_id: str) -> None:
            async with slots:
                await act(client, task_id)

        async with self.stack.client() as client, asyncio.TaskGroup() as group:
            for task_id in task_ids:
                group.create_task(act_in_slot(task_id))

    async def _check_task(self, client: httpx2.AsyncClient, task_id: str) -> None:
        task = await _settled(client, task_id)
        [call] = (await _get(client, f"{task_id}/tool-calls"))["tool_calls"]
        status, state = task["status"], call["state"]
        self.outcomes[f"{call['tool']}: {status}, {state}, decided by {call['decided_by']}"] += 1
        receipts = self.server.receipts(call["idempotency_key"])
        requests = [(asked["kind"], asked["call_id"], asked["tool"]) for asked in task["input_requests"]]
        result, is_error = await _tool_result(client, task_id)
        match status, state:
            case "completed", "done":
                is_right = receipts == [result] and not is_error and task["output"] == "done"
            case "completed", "not_done":
                is_right = receipts == [] and is_error and task["output"] == "done"
            case "waiting", "unknown":
                self.waiting.append(task_id)
                is_right = requests == [("unknown_outcome", call["call_id"], call["tool"])] and call["tool"] == "wire"
            case _:
                is_right = False
        if not is_right:
            self.problems.append(
                f"{task_id}: {status}, {call}, {requests}, paid: {receipts}, the model reads: {result}"
            )

    async def _answer(self, client: httpx2.AsyncClient, task_id: str) -> None:
        for _ in range(MAX_ANSWERS):
            task = await _settled(client, task_id)
            if task["status"] == "completed":
                break
            [call] = (await _get(client, f"{task_id}/tool-calls"))["tool_calls"]
            receipts = self.server.receipts(call["idempotency_key"])
            answer = ("happened", receipts[0]) if receipts else ("retry", None)
            request = await self.stack.answer(task_id, *answer)
            await _wait_until_answered(client, task_id, request["id"])


async def _submit(client: OpspawnClient, text: str) -> Task:
    """Start one task, however often the API is without Temporal meanwhile."""
    key = str(uuid.uuid4())
    async with asyncio.timeout(SETTLING_TIMEOUT_S):
        while True:
            try:
                return await client.create("payer", text, idempotency_key=key)
            except ApiUnreachable:
                await asyncio.sleep(0.2)


async def _get(client: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    """Get a resource of a task; a busy Temporal may not respond at first."""
    for _ in range(SERVED_WITHIN_S):
        response = await client.get(f"/api/v1/tasks/{path}")
        if response.status_code != 503:
            break
        await asyncio.sleep(1)
    assert response.status_code == 200, response.text
    resource: dict[str, Any] = response.json()
    return resource


async def _settled(client: httpx2.AsyncClient, task_id: str) -> dict[str, Any]:
    """Wait until the task has ended or asks a person, and return it."""
    task: dict[str, Any] = {}

    async def is_settled() -> bool:
        task.update(await _get(client, task_id))
        return bool(task["completed_at"] or task["input_requests"])

    await eventually(is_settled, f"{task_id} ends or asks", timeout_s=SETTLING_TIMEOUT_S)
    return task


async def _wait_until_answered(client: httpx2.AsyncClient, task_id: str, request_id: str) -> None:
    async def is_answered() -> bool:
        return request_id not in [asked["id"] for asked in (await _get(client, task_id))["input_requests"]]

    await eventually(is_answered, f"{task_id} takes the answer")


async def _tool_result(client: httpx2.AsyncClient, task_id: str) -> tuple[str | None, bool]:
    """Return what the model reads of the task's call, and whether that is an error; None before the call's end."""
    messages = (await _get(client, f"{task_id}/transcript"))["messages"]
    results = [part for message in messages for part in message["parts"] if part["type"] == "tool_result"]
    return (results[0]["content"], results[0]["is_error"]) if results else (None, False)


async def test_a_worker_killed_around_100_payments_leaves_none_made_twice_and_none_lost(
    stack: Stack, payments: PaymentServer, seed: int, repetitions: int
) -> None:
    def kill_and_restart() -> None:
        stack.kill("worker")
        stack.start_worker()

    runs = PaymentRuns(stack, payments, random.Random(seed), KILLS * repetitions)
    await runs.start(kill_and_restart)
    await runs.check(runs.task_ids)
    assert runs.problems == []
    assert runs.outcomes.total() == runs.kills * TASKS_PER_KILL
    assert runs.count("completed, done, decided by probe") > 0
    assert runs.count("completed, not_done, decided by probe") > 0
    assert runs.waiting

    asked = list(runs.waiting)
    await runs.answer_all()
    runs.outcomes.clear()
    await runs.check(asked)
    assert runs.problems == []
    assert runs.outcomes.total() == runs.count("wire: completed, done, decided by person") == len(asked)


async def test_a_temporal_killed_around_100_payments_leaves_none_made_twice_and_none_lost(
    own_temporal_stack: Stack, payments: PaymentServer, seed: int, repetitions: int
) -> None:
    def kill_and_restart() -> None:
        own_temporal_stack.kill("temporal")
        own_temporal_stack.start_temporal()

    runs = PaymentRuns(own_temporal_stack, payments, random.Random(seed), KILLS * repetitions)
    await runs.start(kill_and_restart)
    await runs.check(runs.task_ids)
    assert runs.problems == []
    assert runs.outcomes.total() == runs.kills * TASKS_PER_KILL
