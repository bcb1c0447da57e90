"""A task that books by a tool of a scripted MCP server, which asks for input meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from agentkit.input_requests import InputRequest
from agentkit.interfaces import ClientInputRequest, InputRequired, ToolContext, ToolOutput, ToolValue
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import ToolCall
from agentkit.policy_rules import Effect
from agentkit.specs import AgentSpec, McpSelection, PolicyRule
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool, ScriptedModel
from tests.workflows.answering import pending_requests
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment


BOOK = ToolCall(id="c1", name="travel__book", arguments={"to": "Oslo"})
FORM: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"seat": {"type": "string"}},
    "required": ["seat"],
}
ASKED = ClientInputRequest(
    key="seat", method="elicitation/create", params={"message": "Which seat?", "requestedSchema": FORM}
)
SAMPLING = ClientInputRequest(
    key="text",
    method="sampling/createMessage",
    params={"messages": [{"role": "user", "content": {"type": "text", "text": "A rhyme?"}}], "maxTokens": 50},
)


def required(*requests: ClientInputRequest, state: str = "state-1") -> ToolOutput:
    """Return that the server requires this; by default, a seat."""
    return ToolOutput(
        value="It asks for input.", input_required=InputRequired(requests=requests or (ASKED,), state=state)
    )


class Bookings:
    """A server's tool that requires input, unless it is resumed with some."""

    def __init__(self, *outcomes: ToolValue | Exception) -> None:
        self.contexts: list[ToolContext] = []
        self.arguments: list[Mapping[str, JsonValue]] = []
        self._outcomes = list(outcomes)

    def book(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        """Return, or raise, the next outcome."""
        self.contexts.append(context)
        self.arguments.append(arguments)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def servers(self, effect: Effect = "irreversible", sampling: str = "deny") -> ScriptedMcpServers:
        """Return the server ``travel`` with the tool ``book``."""
        settings = McpServerSettings.model_validate({"command": "x", "opspawn": {"sampling": sampling}})
        tool = ScriptedMcpTool(self.book, effect=effect)
        return ScriptedMcpServers({"travel": ScriptedMcpServer({"book": tool}, settings=settings)})


def traveller(env: TaskEnvironment) -> AgentSpec:
    """Return an agent that may call each tool of the server."""
    return env.agent(mcp=McpSelection(tools=("travel/*",)), policy=(PolicyRule(tool="*", then="allow"),))


def model() -> ScriptedModel:
    """Return a model that books, and then ends the task."""
    return ScriptedModel.by_step([BOOK, "Done."])


async def pending_with_id(handle: Handle, request_id: str) -> InputRequest:
    """Wait until the request is the only one that is pending."""
    async with asyncio.timeout(20):
        while True:
            (request,) = await pending_requests(handle)
            if request.id == request_id:
                return request


async def pending_of_kind(handle: Handle, kind: str) -> InputRequest:
    """Wait until a request of this kind is the only one that is pending."""
    async with asyncio.timeout(20):
        while True:
            (request,) = await pending_requests(handle)
            if request.kind == kind:
                return request


async def ledger(handle: Handle) -> list[tuple[str, str]]:
    """Return the ids and states of the calls in the effect ledger."""
    return [(entry.call_id, entry.state) for entry in (await handle.query(AgentTask.tool_calls)).tool_calls]


async def result_text(env: TaskEnvironment, handle: Handle) -> str:
    """Return the result that the model reads of the only call."""
    (result,) = await env.tool_results(handle)
    assert (result.call_id, result.name) == ("c1", "travel__book")
    return result.content
