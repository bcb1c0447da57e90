"""What answers to a task's input requests have to fit: its tools, its policy and its limits."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from agentkit.errors import AnswerMismatch, SteeringInvalid
    from agentkit.input_requests import InputRequest
    from agentkit.interfaces import PolicyDecision
    from agentkit.runtime.loop import AgentLoop
    from agentkit.specs import RaisedLimits, ToolSpec
    from workflows.task_limits import TaskLimits

__all__ = ["LoopAnswerRules"]


class LoopAnswerRules:
    """``AnswerRules`` by the task's loop and limits."""

    def __init__(self, loop: AgentLoop, limits: TaskLimits) -> None:
        self._loop = loop
        self._limits = limits

    def tool(self, name: str) -> ToolSpec | None:
        """Return the agent's tool of this name, also one that is called by ``mcp_call``."""
        return self._loop.agent.known_tool(name)

    def edited_decision(self, tool_name: str, arguments: dict[str, JsonValue]) -> PolicyDecision:
        """Return the policy's decision on changed arguments; AnswerMismatch: they are not allowed."""
        return self._loop.edited_decision(tool_name, arguments)

    def check_limits(self, request: InputRequest, changes: RaisedLimits) -> None:
        """Check the limits of an answer; AnswerMismatch: one would be lowered, or is still reached."""
        try:
            self._limits.check(changes, request)
        except SteeringInvalid as error:
            raise AnswerMismatch(str(error)) from error
