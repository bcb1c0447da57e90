"""Calls of ``mcp_call``, which are calls of MCP tools: how the two are translated into each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.interfaces import McpToolCall, PolicyDecision
from agentkit.json_text import MAX_JSON_DEPTH, check_strict_json, is_deeper_than
from agentkit.mcp_config.mcp_names import MCP_CALL, MCP_DESCRIBE
from agentkit.messages import ToolCall, ToolResult
from agentkit.policy_rules import Verdict
from agentkit.specs import AgentSpec, McpToolName, ToolSpec

__all__ = ["ProxiedCall", "ProxiedCalls", "named_as_called", "newest_tools", "proxy_call", "read_target", "stricter"]

_ORDER: tuple[Verdict, ...] = ("allow", "ask", "deny")
_MAX_NAME_CHARS = 500
_MAX_TOOLS = 100
"""How many tools that ``mcp_call`` has called a task knows at most, besides those of the current step."""
_MAX_BYTES = 1_000_000
"""Bytes of JSON of all of them."""
_EXPECTED = f'Call {MCP_CALL} with {{"server": ..., "tool": ..., "arguments": {{...}}}}, as {MCP_DESCRIBE} has them'


@dataclass(frozen=True, slots=True)
class ProxiedCall:
    """What a call of ``mcp_call`` stands for."""

    call: ToolCall
    """Of the MCP tool, by its own name; where that tool isn't known, as the model made it."""
    outcome: ToolSpec | str
    """The MCP tool, or why it can't be called."""


class ProxiedCalls:
    """The calls of ``mcp_call`` in one step, by their position in it."""

    def __init__(self) -> None:
        self._calls: dict[int, ToolCall] = {}
        self._proxied: dict[int, ProxiedCall] = {}

    def has(self, call_id: str) -> bool:
        """Return whether the call with this id is one of these."""
        return any(call.id == call_id for call in self._calls.values())

    def get(self, index: int) -> ProxiedCall | None:
        """Return what the call at this position stands for; None where it is no call of ``mcp_call``."""
        return self._proxied.get(index)

    def translate(
        self, calls: Mapping[int, ToolCall], agent: AgentSpec, refused: Mapping[int, str]
    ) -> Mapping[int, McpToolCall]:
        """Add calls, of which some have wrong arguments; return those whose tools the agent doesn't know yet."""
        self._calls = dict(calls)
        targets: dict[int, McpToolCall] = {}
        for index, call in calls.items():
            target = read_target(call)
            if isinstance(target, str):
                self._proxied[index] = ProxiedCall(call, target)
            else:
                targets[index] = target
        known = {index: target for index, target in targets.items() if agent.mcp_tool(target.tool) is not None}
        self.describe(known, agent, refused)
        return {index: target for index, target in targets.items() if index not in known}

    def describe(self, targets: Mapping[int, McpToolCall], agent: AgentSpec, refused: Mapping[int, str | None]) -> None:
        """Translate calls whose tools the agent knows now; those of others are refused."""
        for index, target in targets.items():
            call, tool, refusal = self._calls[index], agent.mcp_tool(target.tool), refused.get(index)
            if tool is None:
                self._proxied[index] = ProxiedCall(call, refusal or "Nothing was called: there is no such tool.")
            else:
                own = ToolCall(id=call.id, name=tool.name, arguments=target.arguments)
                self._proxied[index] = ProxiedCall(own, refusal or tool)


def newest_tools(known: Sequence[ToolSpec], described: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """Return the tools that are described now, and the newest of those known before for which there is space.

    A tool that is left out is described again when it is called again.
    """
    sizes = [len(tool.canonical_json()) for tool in (*known, *described)]
    space = _MAX_BYTES - sum(sizes[len(known) :])
    first = len(known)
    while first > 0 and sizes[first - 1] <= space and len(known) - first < _MAX_TOOLS:
        first -= 1
        space -= sizes[first]
    return (*known[first:], *described)


def named_as_called(result: ToolResult, call: ToolCall) -> ToolResult:
    """Return the result under the name that the model has called: providers pair the two by name, too."""
    return result if result.name == call.name else result.model_copy(update={"name": call.name})


def read_target(call: ToolCall) -> McpToolCall | str:
    """Return the call that a call of ``mcp_call`` stands for, or what is wrong with its arguments, for the model."""
    arguments = dict(call.arguments)
    server, tool, given = (arguments.pop(name, None) for name in ("server", "tool", "arguments"))
    for name, value in (("server", server), ("tool", tool)):
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME_CHARS:
            return f"Nothing was called: {name} must be the name of one. {_EXPECTED}."
    if arguments:
        return f"Nothing was called: unknown arguments: {', '.join(arguments)[:_MAX_NAME_CHARS]}. {_EXPECTED}."
    inner = _parsed(given) if isinstance(given, str) else given
    if inner is None:
        inner = {}
    if not isinstance(inner, dict):
        return f"Nothing was called: the key arguments must have one JSON object. {_EXPECTED}."
    return McpToolCall(tool=McpToolName(server=str(server), name=str(tool)), arguments=inner)


def _parsed(text: str) -> JsonValue:
    """Return the JSON that some models write as text; the text itself, if it is none."""
    try:
        value: JsonValue = check_strict_json(json.loads(text)) if text.strip() else None
    except (ValueError, RecursionError):
        return text
    return text if is_deeper_than(value, MAX_JSON_DEPTH) else value


def proxy_call(tool: ToolSpec, call: ToolCall) -> ToolCall:
    """Return the call of ``mcp_call`` that stands for a call of an MCP tool."""
    server, name = (tool.mcp.server, tool.mcp.name) if tool.mcp else ("", tool.name)
    return ToolCall(id=call.id, name=MCP_CALL, arguments={"server": server, "tool": name, "arguments": call.arguments})


def stricter(decision: PolicyDecision, other: PolicyDecision) -> PolicyDecision:
    """Return the stricter of two decisions: ``deny``, then ``ask``, then ``allow``; of equal ones the first."""
    return other if _ORDER.index(other.action) > _ORDER.index(decision.action) else decision
