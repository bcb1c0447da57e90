"""The ``CallEffects`` Protocol: what carrying out a tool call does outside of the loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agentkit.errors import ToolInterrupted
from agentkit.input_requests import InputAnswer, InputRequest
from agentkit.interfaces import McpCall, ModelResponse, PolicyDecision, ProbeOutcome, ToolValue
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.sampling import SamplingRequest
from agentkit.specs import ToolSpec

__all__ = ["CallEffects", "CheckedCall"]


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """A tool call, and whether it is made."""

    call: ToolCall
    outcome: ToolSpec | ToolResult
    """The tool to run, or the error result that refuses the call."""
    decision: PolicyDecision | None = None
    """The security policy's; None where the call was refused before it was asked. If it is ``ask``, a person must
    approve first."""


class CallEffects(Protocol):
    """Tool calls, probes and input requests. The workflow carries them out durably, the local runner in its process."""

    def now(self) -> datetime:
        """Return the current time, with a time zone."""
        ...

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int, mcp: McpCall | None = None) -> ToolValue:
        """Make one tool call and return the tool's value. An irreversible tool is called once.

        ``mcp`` is given with a call that continues one of the model's.

        Raises:
            NotDone: the call had no effect.
            ResultUnreadable: it took effect, but its result can't be read.
            ToolInterrupted: it was cut off; whether it took effect is not known.
            ToolError: the call failed; its message becomes the result that the model reads.
        """
        ...

    async def sample(self, request: SamplingRequest) -> ModelResponse:
        """Send a request of an MCP server to the task's model and return the response.

        Raises:
            ModelError: the model gave no response.
        """
        ...

    async def before_call(self, tool: ToolSpec) -> None:
        """Return when a call of the tool may be made: the task isn't paused.

        Raises:
            NotDone: a person interrupted the step, so the call is not made.
        """
        ...

    async def probe_tool(self, tool: ToolSpec, call: ToolCall, step: int, error: ToolInterrupted) -> ProbeOutcome:
        """Return whether an interrupted call took effect, by the tool's probe; ``Unknown`` if that fails."""
        ...

    def next_request_id(self) -> str:
        """Return the id of a new input request."""
        ...

    async def ask(self, request: InputRequest) -> InputAnswer:
        """Open an input request and return the answer that settles it: a person's, or that of its expiry.

        Raises:
            InputRequestExpired: nobody answered in time, and the task is to fail then.
        """
        ...

    def on_call_edited(self, call: ToolCall, tool: ToolSpec) -> None:
        """Called with a call that is made with arguments which a person has changed."""
        ...

    def on_call_denied(self, call: ToolCall, result: ToolResult) -> None:
        """Called with the result of a call that is not made, as a person has not approved it, or has interrupted."""
        ...

    def on_outcome_settled(self, call: ToolCall, result: ToolResult) -> None:
        """Called with the result of a call whose outcome was unknown, as its probe or a person reports it."""
        ...

    def on_tool_result(self, result: ToolResult) -> None:
        """Called with each tool result."""
        ...
