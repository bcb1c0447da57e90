"""The tools of a server, as specs: filtered, with names for models, effects, and schemas of bounded size."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

import mcp_types as types
from mcp import Client

from agentkit.json_text import MAX_JSON_DEPTH, check_strict_json, is_deeper_than
from agentkit.mcp.server_requests import ServerRequests
from agentkit.mcp_config.mcp_names import model_tool_names
from agentkit.mcp_config.mcp_settings import McpOptions
from agentkit.policy_rules import Effect
from agentkit.specs import McpToolName, ToolSpec

__all__ = ["ToolListing", "allows_tool", "call_timeout", "effect_by_settings", "tool_specs"]

_LOGGER = logging.getLogger(__name__)
_MAX_AGE_S = 3.0
"""Of a listing, unless the server announces changes."""
_MAX_ANNOUNCED_AGE_S = 60.0
_MAX_TOOLS = 1_000
_MAX_NAME_CHARS = 128
_MAX_DESCRIPTION_CHARS = 16_000
_MAX_SCHEMA_BYTES = 200_000
_MAX_SCHEMA_DEPTH = 50
assert _MAX_SCHEMA_DEPTH < MAX_JSON_DEPTH


class ToolListing:
    """The listing of one server's tools, shared by all who want it at the same time."""

    def __init__(self, requests: ServerRequests) -> None:
        self._requests = requests
        self._specs: Sequence[ToolSpec] = ()
        self._client: Client | None = None
        self._is_announced = False
        self._listed_at = -_MAX_ANNOUNCED_AGE_S
        self._running: asyncio.Task[Sequence[ToolSpec]] | None = None
        self._is_outdated = False

    async def specs(self) -> Sequence[ToolSpec]:
        """Return the tools.

        Raises:
            McpServerUnavailable: they can't be listed.
        """
        if await self._is_current():
            return self._specs
        if self._running is None:
            self._running = asyncio.create_task(self._list())
            self._running.add_done_callback(self._end)
        return await asyncio.shield(self._running)

    def find(self, name: str) -> ToolSpec | None:
        """Return the spec of a tool by the server's name, as it was listed last."""
        return next((spec for spec in self._specs if spec.mcp is not None and spec.mcp.name == name), None)

    def set_outdated(self) -> None:
        """Take note that the tools have changed."""
        self._is_outdated = True

    async def aclose(self) -> None:
        """End a listing that is under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _is_current(self) -> bool:
        age_s = time.monotonic() - self._listed_at
        if self._is_outdated or age_s >= _MAX_ANNOUNCED_AGE_S:
            return False
        if age_s < _MAX_AGE_S or not self._is_announced:
            return age_s < _MAX_AGE_S
        async with self._requests.session() as client:
            return client is self._client  # else it is another process, which may have other tools

    def _end(self, task: asyncio.Task[Sequence[ToolSpec]]) -> None:
        self._running = None
        if not task.cancelled():
            task.exception()  # it is retrieved, also when all callers have gone

    async def _list(self) -> Sequence[ToolSpec]:
        self._is_outdated = False
        client: Client | None = None
        is_announced = False

        async def page(used: Client, cursor: str | None) -> tuple[Sequence[types.Tool], str | None]:
            nonlocal client, is_announced
            client = used
            announced = used.server_capabilities.tools
            is_announced = announced is not None and bool(announced.list_changed)
            result = await used.list_tools(cursor=cursor, cache_mode="bypass")
            return result.tools, result.next_cursor

        tools = await self._requests.list_all("tools/list", lambda capabilities: capabilities.tools, page)
        self._specs = tool_specs(self._requests.name, tools, self._requests.settings.opspawn)
        self._client, self._is_announced = client, is_announced
        self._listed_at = time.monotonic()
        return self._specs


def tool_specs(server: str, tools: Sequence[types.Tool], options: McpOptions) -> Sequence[ToolSpec]:
    """Return the specs of the tools that are allowed and usable; why others are left out is logged."""
    usable: dict[str, types.Tool] = {}
    for tool in tools:
        if not allows_tool(options, tool.name):
            continue
        problem = "there are two of this name" if tool.name in usable else _problem(tool)
        if problem is None and len(usable) >= _MAX_TOOLS:
            problem = f"the server has more than {_MAX_TOOLS:,} tools"
        if problem is None:
            usable[tool.name] = tool
        else:
            _LOGGER.warning("MCP server %s: tool %.130r is left out: %s", server, tool.name, problem)
    names = model_tool_names((server, name) for name in usable)
    return [
        ToolSpec(
            name=names[server, name],
            description=_description(tool),
            parameters={"type": "object"} | tool.input_schema,
            effect=_effect(tool, options),
            timeout=call_timeout(options),
            mcp=McpToolName(server=server, name=name),
        )
        for name, tool in usable.items()
    ]


def allows_tool(options: McpOptions, name: str) -> bool:
    """Return whether the settings offer a tool."""
    return _matches(options.tools.allow, name) and not _matches(options.tools.deny, name)


def call_timeout(options: McpOptions) -> float:
    """Return how many seconds a call may take at most, with all that it may wait for."""
    return options.connect_timeout + options.timeout + options.elicitation_wait


def effect_by_settings(options: McpOptions, name: str) -> Effect | None:
    """Return the effect that the settings give to a tool; None if they don't name it."""
    return next((effect for pattern, effect in options.effects.items() if fnmatchcase(name, pattern)), None)


def _effect(tool: types.Tool, options: McpOptions) -> Effect:
    effect = effect_by_settings(options, tool.name)
    if effect is not None:
        return effect
    hints = tool.annotations
    if hints is None or not options.trust_annotations:
        return "irreversible"
    if hints.read_only_hint:
        return "pure"
    return "idempotent" if hints.idempotent_hint else "irreversible"


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _description(tool: types.Tool) -> str:
    annotated = tool.annotations.title if tool.annotations is not None else None
    text = (tool.description or tool.title or annotated or tool.name).strip()
    text = text.encode(errors="replace").decode()
    if len(text) <= _MAX_DESCRIPTION_CHARS:
        return text
    return f"{text[:_MAX_DESCRIPTION_CHARS]}\n[The rest of this description, {len(text):,} characters, is left out.]"


def _problem(tool: types.Tool) -> str | None:
    """Return why a tool can't be used."""
    if not tool.name or len(tool.name) > _MAX_NAME_CHARS or not tool.name.isprintable():
        return f"its name must be printable, with at most {_MAX_NAME_CHARS} characters"
    if tool.execution is not None and tool.execution.task_support == "required":
        return "it can only be called as a task, which no client of protocol 2026-07-28 does"
    schema = tool.input_schema
    if schema.get("type", "object") != "object":
        return "its input schema is not of an object"
    if is_deeper_than(schema, _MAX_SCHEMA_DEPTH):
        return f"its input schema is nested in more than {_MAX_SCHEMA_DEPTH} levels"
    try:
        check_strict_json(schema)
    except ValueError:
        return "its input schema is no valid JSON"
    size = len(json.dumps(schema))
    return (
        None if size <= _MAX_SCHEMA_BYTES else f"its input schema has {size:,} bytes, more than {_MAX_SCHEMA_BYTES:,}"
    )
