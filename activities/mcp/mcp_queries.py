"""Ask MCP servers what they offer, for callers without a task: standalone activities of the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import McpPrompt, McpResource, McpServerProblem, McpServers, unknown_server
from agentkit.mcp_config.mcp_input import PromptReference, ResourceReference
from agentkit.messages import FilePart, ImagePart, InputPart, TextPart
from agentkit.records import Record
from agentkit.runtime.calls.tool_results import bounded
from agentkit.specs import ToolSpec
from agentkit.validation.validation_messages import did_you_mean

__all__ = [
    "MCP_CONTENT_ACTIVITY",
    "MCP_PROMPTS_ACTIVITY",
    "MCP_RESOURCES_ACTIVITY",
    "MCP_SERVERS_ACTIVITY",
    "MCP_TOOLS_ACTIVITY",
    "McpContent",
    "McpContentRefusal",
    "McpContentRequest",
    "McpPromptList",
    "McpQueryActivities",
    "McpResourceList",
    "McpServerQuery",
    "McpServerState",
    "McpServerStates",
    "McpToolList",
]

MCP_SERVERS_ACTIVITY = "query_mcp_servers"
MCP_TOOLS_ACTIVITY = "query_mcp_tools"
MCP_RESOURCES_ACTIVITY = "query_mcp_resources"
MCP_PROMPTS_ACTIVITY = "query_mcp_prompts"
MCP_CONTENT_ACTIVITY = "read_mcp_content"

_STATE_TIMEOUT_S = 10.0
"""How long the states of all servers may take: one that hangs must not hold up the others."""
_MAX_LIST_BYTES = 4_000_000
"""Bytes of JSON of a list; what goes beyond is left out."""

_T = TypeVar("_T")
_ItemT = TypeVar("_ItemT", bound=Record)


class McpServerState(Record):
    """A server of ``mcp.json``, and whether it can be used now."""

    name: str
    transport: str
    """``stdio``, ``http`` or ``sse``."""
    tools: int | None = None
    """How many tools it offers; None: it can't be used."""
    problem: McpServerProblem | None = None


class McpServerStates(Record):
    """All servers, by name."""

    servers: tuple[McpServerState, ...]


class McpServerQuery(Record):
    """Which server is asked."""

    server: str


class McpToolList(Record):
    """The tools of a server."""

    tools: tuple[ToolSpec, ...]
    left_out: int = 0
    """How many more there are: the list is bounded."""


class McpResourceList(Record):
    """The resources of a server, and its templates of resources."""

    resources: tuple[McpResource, ...]
    left_out: int = 0


class McpPromptList(Record):
    """The prompts of a server."""

    prompts: tuple[McpPrompt, ...]
    left_out: int = 0


class McpContentRequest(Record):
    """Prompts and resources to read."""

    items: tuple[PromptReference | ResourceReference, ...]
    max_bytes: int
    """The most bytes of all contents together."""


class McpContent(Record):
    """What prompts and resources contain."""

    contents: tuple[tuple[InputPart, ...], ...]
    """Of each item, in order."""


class McpContentRefusal(Record):
    """The details of the failure where an item can't be read because the request is wrong."""

    item: int
    """Its position."""
    path: tuple[str, ...]
    """To its field that is wrong."""
    message: str


class _Refused(ToolError):
    """An item can't be read because of one of its fields."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


class McpQueryActivities:
    """What callers without a task ask of MCP servers. Each fails with ``McpServerUnavailable`` where a server does."""

    def __init__(self, servers: McpServers) -> None:
        self._servers = servers

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """All of them, for a worker to register."""
        return [self.query_servers, self.query_tools, self.query_resources, self.query_prompts, self.read_content]

    @activity.defn(name=MCP_SERVERS_ACTIVITY)
    async def query_servers(self) -> McpServerStates:
        """Connect to each server, all at once, and return which can be used."""
        names = sorted(self._servers.settings)
        async with heartbeating():
            return McpServerStates(servers=tuple(await asyncio.gather(*map(self._state, names))))

    @activity.defn(name=MCP_TOOLS_ACTIVITY)
    async def query_tools(self, query: McpServerQuery) -> McpToolList:
        """Return the tools that the server's settings allow."""
        tools, left_out = _bounded_list(await self._ask(query, lambda servers: servers.list_tools(query.server)))
        return McpToolList(tools=tools, left_out=left_out)

    @activity.defn(name=MCP_RESOURCES_ACTIVITY)
    async def query_resources(self, query: McpServerQuery) -> McpResourceList:
        """Return the server's resources."""
        resources, left_out = _bounded_list(
            await self._ask(query, lambda servers: servers.list_resources(query.server))
        )
        return McpResourceList(resources=resources, left_out=left_out)

    @activity.defn(name=MCP_PROMPTS_ACTIVITY)
    async def query_prompts(self, query: McpServerQuery) -> McpPromptList:
        """Return the server's prompts."""
        prompts, left_out = _bounded_list(await self._ask(query, lambda servers: servers.list_prompts(query.server)))
        return McpPromptList(prompts=prompts, left_out=left_out)

    @activity.defn(name=MCP_CONTENT_ACTIVITY)
    async def read_content(self, request: McpContentRequest) -> McpContent:
        """Read prompts and resources, all at once; of several that can't be read, the first decides the failure."""
        async with heartbeating():
            read = await asyncio.gather(*map(self._read, request.items), return_exceptions=True)
        contents, size = [], 0
        for index, content in enumerate(read):
            if isinstance(content, BaseException):
                raise _content_failure(content, index, request.items[index])
            contents.append(tuple(content))
            size += sum(map(_size, content))
            if size > request.max_bytes:
                text = f"With it, the input is longer than {request.max_bytes} bytes, the most that is taken"
                raise _content_failure(_Refused(text), index, request.items[index])
        return McpContent(contents=tuple(contents))

    async def _ask(self, query: McpServerQuery, ask: Callable[[McpServers], Awaitable[_T]]) -> _T:
        """Return what a server responds; its failure becomes that of the activity."""
        async with heartbeating():
            try:
                return await ask(self._checked(query.server))
            except (McpServerUnavailable, ToolError) as error:
                raise application_error(error) from error

    async def _state(self, name: str) -> McpServerState:
        servers = self._checked(name)
        state = McpServerState(name=name, transport=servers.settings[name].transport)
        try:
            async with asyncio.timeout(_STATE_TIMEOUT_S):
                tools = await servers.list_tools(name)
        except McpServerUnavailable as error:
            problem = McpServerProblem.model_validate({"server": name, "kind": error.kind, "message": str(error)})
        except TimeoutError:
            text = f"MCP server {name!r}: no list of tools within {_STATE_TIMEOUT_S:g} s; it may still be starting"
            problem = McpServerProblem(server=name, kind="timed_out", message=text)
        else:
            return state.model_copy(update={"tools": len(tools)})
        return state.model_copy(update={"problem": problem})

    async def _read(self, item: PromptReference | ResourceReference) -> Sequence[InputPart]:
        if isinstance(item, ResourceReference):
            return await self._known(item.server, "server").read_resource(item.server, item.uri)
        server, _, name = item.prompt.partition("/")
        servers = self._known(server, "prompt")
        prompts = {prompt.name: prompt for prompt in await servers.list_prompts(server)}
        if name not in prompts:
            known = f"It has: {', '.join(sorted(prompts)) or 'none'}."
            raise _Refused(
                f"MCP server {server!r} has no prompt {name!r}.{did_you_mean(name, prompts)} {known}", "prompt"
            )
        _check_arguments(prompts[name], item.arguments)
        parts = await servers.get_prompt(server, name, item.arguments)
        if not any(not isinstance(part, TextPart) or part.text.strip() for part in parts):
            raise _Refused(f"The prompt {name!r} of MCP server {server!r} is empty", "prompt")
        return parts

    def _known(self, server: str, field: str) -> McpServers:
        try:
            return self._checked(server)
        except McpServerUnavailable as error:
            raise _Refused(str(error), field) from None

    def _checked(self, server: str) -> McpServers:
        """Return the servers if this one is among them.

        Raises:
            McpServerUnavailable: it isn't.
        """
        names = self._servers.settings
        if server not in names:
            raise unknown_server(server, names)
        return self._servers


def _bounded_list(items: Sequence[_ItemT]) -> tuple[tuple[_ItemT, ...], int]:
    """Return the items that fit into ``_MAX_LIST_BYTES``, and the number of the others."""
    size = 0
    for index, item in enumerate(items):
        size += len(item.model_dump_json())
        if size > _MAX_LIST_BYTES:
            return tuple(items[:index]), len(items) - index
    return tuple(items), 0


def _check_arguments(prompt: McpPrompt, arguments: dict[str, str]) -> None:
    """Check the names of a prompt's arguments.

    Raises:
        _Refused: one is missing, or unknown.
    """
    known = [argument.name for argument in prompt.arguments]
    for name in arguments:
        if name not in known:
            text = f"The prompt {prompt.name!r} has no argument {name!r}.{did_you_mean(name, known)}"
            raise _Refused(f"{text} It takes: {', '.join(known) or 'none'}.", "arguments", name)
    missing = [argument.name for argument in prompt.arguments if argument.required and argument.name not in arguments]
    if missing:
        raise _Refused(f"The prompt {prompt.name!r} needs the argument {missing[0]!r}.", "arguments")


def _size(part: InputPart) -> int:
    match part:
        case TextPart():
            return len(part.text.encode(errors="surrogatepass"))
        case ImagePart() | FilePart():
            return len(part.data or b"")


def _content_failure(
    error: BaseException, index: int, item: PromptReference | ResourceReference
) -> ApplicationError | BaseException:
    if isinstance(error, McpServerUnavailable):
        return application_error(error)
    if not isinstance(error, ToolError):
        return error
    path = error.path if isinstance(error, _Refused) else ()
    if not path:
        path = ("uri",) if isinstance(item, ResourceReference) else ("prompt",)
    refusal = McpContentRefusal(item=index, path=path, message=bounded(str(error)))
    return ApplicationError(refusal.message, refusal, type=McpContentRefusal.__name__, non_retryable=True)
