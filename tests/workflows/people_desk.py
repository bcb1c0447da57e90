"""The worker of a task that people move: it is started and stopped, and what it does is observed."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest

from agentkit.interfaces import ModelRequest, ToolContext
from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import builtin_tools, tool
from tests.workflows.conftest import Handle, TaskEnvironment
from tests.workflows.expected_task import ALLOWED_CENTS, DENIED_CENTS, EXPIRY_MINUTES, ExpectedTask, PlannedCall
from workflows.search_attributes import INPUT, STATUS
from workflows.task_types import PendingInput, TaskView

__all__ = ["Desk", "expectation"]

_ASK = next(each for each in builtin_tools() if each.spec.name == "ask_person")


class Desk:
    """A worker of one task: what its model is asked, and what its tools do."""

    def __init__(self, env: TaskEnvironment) -> None:
        self.env = env
        self.on_close = AsyncExitStack()
        self.script: tuple[tuple[PlannedCall, ...], ...] = ()
        self.is_open = False
        """Whether the model responds at once."""
        self.permits = asyncio.Semaphore(0)
        """Each lets the model respond once."""
        self.requests = self.waiting = 0
        self.paid: list[tuple[str, int]] = []
        self._workers = AsyncExitStack()
        self.tools = self._tools()

    def _tools(self) -> tuple[Any, ...]:
        @tool(effect="irreversible")
        def pay(cents: int, context: ToolContext) -> str:
            self.paid.append((context.call_id, cents))
            return f"paid {cents}"

        @tool(effect="pure")
        def look() -> str:
            return "seen"

        return pay, look, _ASK

    async def _respond(self, request: ModelRequest) -> ScriptedResponse:
        self.requests += 1
        self.waiting += 1
        try:
            if not self.is_open:
                await self.permits.acquire()
        finally:
            self.waiting -= 1
        return self._response(sum(message.role == "assistant" for message in request.messages))

    def _response(self, number: int) -> ScriptedResponse:
        if number >= len(self.script):
            return "Done."
        given: dict[str, dict[str, Any]] = {"ask_person": {"question": "Which?"}, "look": {}}
        return [
            ToolCall(id=f"c{number + 1}-{i}", name=call.tool, arguments=given.get(call.tool, {"cents": call.cents}))
            for i, call in enumerate(self.script[number])
        ]

    async def start_worker(self) -> None:
        worker = self.env.worker(ScriptedModel(self._respond), *self.tools)
        await self._workers.enter_async_context(worker)

    async def stop_worker(self) -> None:
        await self._workers.aclose()

    async def close(self) -> None:
        """Stop the worker; its model responds, so that it need not wait for that."""
        self.is_open = True
        self.permits.release()
        await self.stop_worker()
        await self.on_close.aclose()

    async def start_task(self, expected: ExpectedTask) -> Handle:
        self.script = expected.script
        escalation = {"escalate_to": ["board"]} if expected.on_expiry == "escalate" else {}
        terms = {"then": "ask", "approvers": ["ada"], "expires": f"{EXPIRY_MINUTES}m"}
        rules: list[dict[str, Any]] = [
            {"tool": "pay", "if": {"cents": {"lte": ALLOWED_CENTS}}, "then": "allow"},
            {"tool": "pay", "if": {"cents": {"gt": DENIED_CENTS}}, "then": "deny"},
            {"tool": "pay", **terms, "on_expiry": expected.on_expiry, **escalation},
            {"tool": "ask_person", **terms},
        ]
        limits = {"max_steps": expected.max_steps, "on_exhausted": "ask" if expected.asks_at_limit else "fail"}
        policy = tuple(map(PolicyRule.model_validate, rules))
        agent = self.env.agent(*self.tools, policy=policy, limits={**limits, "max_repeats": 0})
        return await self.env.start("Go.", agent)

    async def observe(self, handle: Handle) -> dict[str, Any]:
        """Return what can be seen of a task, as ``expectation`` has it."""
        view: TaskView = await handle.query("status", result_type=TaskView)
        found: PendingInput = await handle.query("input_requests", result_type=PendingInput)
        request = DescribeWorkflowExecutionRequest(
            namespace=self.env.client.namespace, execution=WorkflowExecution(workflow_id=handle.id)
        )
        described = await self.env.client.workflow_service.describe_workflow_execution(request)
        fields = described.workflow_execution_info.search_attributes.indexed_fields
        return {
            "status": view.status,
            "listed": json.loads(fields[STATUS.name].data),
            "terms": sorted(json.loads(fields[INPUT.name].data or b"[]")) if INPUT.name in fields else [],
            "pending": sorted(int(each.id.removeprefix("input_")) for each in found.input_requests),
            "steps": view.steps,
            "asked": (self.requests, self.waiting),
            "paid": sorted(self.paid),
            "transcript": [_entry(message) for message in await self.env.transcript(handle)],
        }


def _entry(message: Message) -> tuple[str, object]:
    results = tuple((part.name, part.is_error) for part in message.parts if isinstance(part, ToolResult))
    return message.role, results if message.role == "tool" else message.text


def expectation(task: ExpectedTask) -> dict[str, Any]:
    calls = [call for call in task.asking() if call.request in task.pending]
    is_at_limit = task.limit_request in task.pending
    kinds = {"approval" if call.tool == "pay" else "question" for call in calls} | ({"limit"} if is_at_limit else set())
    people = {f"approver:{person}" for call in calls for person in call.approvers}
    is_asked = task.phase == "model" and task.outcome is None
    return {
        "status": task.status,
        "listed": task.status,
        "terms": sorted({f"kind:{kind}" for kind in kinds} | people),
        "pending": task.pending,
        "steps": task.steps,
        "asked": (task.steps, int(is_asked)),
        "paid": sorted(task.paid),
        "transcript": task.transcript,
    }
