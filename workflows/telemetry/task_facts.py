"""What telemetry says of each span of a task: its trace, agent, tenant and conversation. Asked of Temporal, not kept
in history."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionDescription

from agentkit.telemetry import TraceParent, span_id, trace_id
from workflows.search_attributes import AGENT, CONVERSATION, MEMO_TRACEPARENT, TENANT

__all__ = ["TaskFacts", "TaskFactsCache", "root_span_id"]

_MAX_TASKS = 2_000
_MAX_PARENTS = 20
_TIMEOUT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """The facts of one task."""

    trace_id: int
    parent_id: int | None = None
    """The span under which the task's own stands: its caller's, or that of the task whose sub-agent it is."""
    agent: str = "unknown"
    tenant: str = "default"
    conversation: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Of the task's metrics."""
        return {"agent": self.agent, "tenant": self.tenant}


def root_span_id(task_id: str) -> int:
    """Return the id of the span ``invoke_agent`` of a task."""
    return span_id(task_id, "invoke_agent")


class TaskFactsCache:
    """Reads facts from Temporal, once for a task and worker."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._facts: OrderedDict[str, TaskFacts] = OrderedDict()

    async def of(self, task_id: str, depth: int = 0) -> TaskFacts:
        """Return the facts of a task; what can be derived from its id, where Temporal doesn't respond in 2 s."""
        if (known := self._facts.get(task_id)) is not None:
            return known
        try:
            described = await self._client.get_workflow_handle(task_id).describe(rpc_timeout=_TIMEOUT)
            facts = await self._read(task_id, described, depth)
        except Exception:  # telemetry must not fail a task, whatever Temporal or the memo's decryption says
            return TaskFacts(trace_id(task_id))
        self._facts[task_id] = facts
        while len(self._facts) > _MAX_TASKS:
            self._facts.popitem(last=False)
        return facts

    async def _read(self, task_id: str, described: WorkflowExecutionDescription, depth: int) -> TaskFacts:
        attributes, parent = described.typed_search_attributes, described.parent_id
        caller = TraceParent.read(str(await described.memo_value(MEMO_TRACEPARENT, default="")))
        own_trace, parent_id = trace_id(task_id), None
        if caller is not None:
            own_trace, parent_id = caller.trace_id, caller.span_id
        elif parent is not None and not parent.startswith("conversation-") and depth < _MAX_PARENTS:
            own_trace, parent_id = (await self.of(parent, depth + 1)).trace_id, root_span_id(parent)
        return TaskFacts(
            own_trace,
            parent_id,
            attributes.get(AGENT) or "unknown",
            attributes.get(TENANT) or "default",
            attributes.get(CONVERSATION),
        )
