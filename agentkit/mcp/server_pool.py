"""The MCP servers of a worker: their tools, resources and prompts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import mcp_types as types
from mcp import Client
from mcp.client import IncomingMessage

from agentkit.errors import ToolError, ToolNotFound
from agentkit.interfaces import McpPrompt, McpPromptArgument, McpResource, Tool, unknown_server
from agentkit.mcp.mcp_tool import McpTool
from agentkit.mcp.result_content import prompt_parts, resource_parts
from agentkit.mcp.server_requests import ServerRequests
from agentkit.mcp.server_sessions import ServerSessions
from agentkit.mcp.tool_listing import ToolListing, allows_tool, call_timeout, effect_by_settings
from agentkit.mcp_config.mcp_names import model_tool_names
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import InputPart
from agentkit.policy_rules import Effect
from agentkit.specs import McpToolName, ToolSpec

__all__ = ["McpServerPool", "OpenSessions"]

_LOGGER = logging.getLogger(__name__)


class OpenSessions(Protocol):
    """Makes the sessions of a server, without connecting to it yet."""

    def __call__(
        self, server: str, settings: McpServerSettings, on_message: Callable[[IncomingMessage], None]
    ) -> ServerSessions:
        """Return the sessions; what the server sends unasked goes to ``on_message``.

        Raises:
            McpServerUnavailable: the settings can't be used.
        """
        ...


class McpServerPool:
    """``McpServers`` over the connections of this process."""

    def __init__(self, servers: Mapping[str, McpServerSettings], open_sessions: OpenSessions) -> None:
        self._settings = _enabled(servers)
        self._open_sessions = open_sessions
        self._retired: list[tuple[ServerRequests, ToolListing]] = []
        self._requests = {name: self._requests_to(name) for name in self._settings}
        self._listings = {name: ToolListing(requests) for name, requests in self._requests.items()}

    @property
    def settings(self) -> Mapping[str, McpServerSettings]:
        """See ``McpServers``."""
        return self._settings

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        """See ``McpServers``."""
        self._known(server)
        return await self._listings[server].specs()

    def tool(self, server: str, name: str, *, effect: Effect | None = None) -> Tool:
        """See ``McpServers``."""
        if server not in self._settings:
            raise ToolNotFound(str(unknown_server(server, self._settings)))
        options = self._settings[server].opspawn
        if not allows_tool(options, name):
            raise ToolNotFound(f"The settings of MCP server {server} do not allow its tool {name!r}.")
        spec = self._listings[server].find(name) or ToolSpec(
            name=model_tool_names([(server, name)])[server, name],
            description="",
            parameters={"type": "object"},
            effect=effect_by_settings(options, name) or "irreversible",
            timeout=call_timeout(options),
            mcp=McpToolName(server=server, name=name),
        )
        if effect is not None:
            spec = spec.model_copy(update={"effect": effect})
        return McpTool(self._requests[server], name, spec)

    async def list_resources(self, server: str) -> Sequence[McpResource]:
        """See ``McpServers``."""
        requests = self._known(server)
        resources = await requests.list_all("resources/list", lambda has: has.resources, _resource_page)
        templates = await requests.list_all("resources/templates/list", lambda has: has.resources, _template_page)
        return [*resources, *templates]

    async def read_resource(self, server: str, uri: str) -> Sequence[InputPart]:
        """See ``McpServers``."""

        async def read(client: Client) -> Sequence[types.TextResourceContents | types.BlobResourceContents]:
            return (await client.read_resource(uri)).contents

        contents = await self._known(server).request("resources/read", read)
        return self._parts(server, lambda: resource_parts(contents))

    async def list_prompts(self, server: str) -> Sequence[McpPrompt]:
        """See ``McpServers``."""
        return await self._known(server).list_all("prompts/list", lambda has: has.prompts, _prompt_page)

    async def get_prompt(self, server: str, name: str, arguments: Mapping[str, str]) -> Sequence[InputPart]:
        """See ``McpServers``."""

        async def get(client: Client) -> Sequence[types.PromptMessage]:
            return (await client.get_prompt(name, dict(arguments))).messages

        messages = await self._known(server).request("prompts/get", get)
        return self._parts(server, lambda: prompt_parts(messages))

    def replace_servers(self, servers: Mapping[str, McpServerSettings]) -> None:
        """Use these servers from now on.

        A server whose settings are the same keeps its connections. Those of others end with the requests that use them.
        """
        servers = _enabled(servers)
        changed = [name for name, settings in self._settings.items() if servers.get(name) != settings]
        for name in changed:
            requests, listing = self._requests.pop(name), self._listings.pop(name)
            requests.retire()
            self._retired.append((requests, listing))
        self._settings = dict(servers)
        for name in servers:
            if name not in self._requests:
                self._requests[name] = requests = self._requests_to(name)
                self._listings[name] = ToolListing(requests)

    async def aclose(self) -> None:
        """End all connections and processes, at the same time; an error of one affects no other."""
        used = [*self._retired, *((self._requests[name], self._listings[name]) for name in self._requests)]
        for _, listing in used:
            await listing.aclose()
        closing = {asyncio.create_task(requests.aclose()): requests.name for requests, _ in used}
        if closing:
            await asyncio.wait(closing)
        for task, name in closing.items():
            if task.exception() is not None:
                _LOGGER.warning("MCP server %s (close): %r", name, task.exception())

    def _requests_to(self, name: str) -> ServerRequests:
        settings = self._settings[name]
        return ServerRequests(
            name, settings, lambda: self._open_sessions(name, settings, lambda message: self._receive(name, message))
        )

    def _receive(self, server: str, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification) and server in self._listings:
            self._listings[server].set_outdated()

    def _known(self, server: str) -> ServerRequests:
        if server not in self._requests:
            raise unknown_server(server, self._requests)
        return self._requests[server]

    def _parts(self, server: str, convert: Callable[[], Sequence[InputPart]]) -> Sequence[InputPart]:
        try:
            return convert()
        except ValueError as error:
            raise ToolError(f"MCP server {server} sent content that can't be read: {error}") from None


def _enabled(servers: Mapping[str, McpServerSettings]) -> Mapping[str, McpServerSettings]:
    return {name: settings for name, settings in servers.items() if not settings.disabled}


async def _resource_page(client: Client, cursor: str | None) -> tuple[Sequence[McpResource], str | None]:
    page = await client.list_resources(cursor=cursor, cache_mode="bypass")
    return [
        _resource(resource, resource.uri).model_copy(update={"size": resource.size}) for resource in page.resources
    ], page.next_cursor


async def _template_page(client: Client, cursor: str | None) -> tuple[Sequence[McpResource], str | None]:
    page = await client.list_resource_templates(cursor=cursor, cache_mode="bypass")
    templates = page.resource_templates
    return [
        _resource(template, template.uri_template).model_copy(update={"is_template": True}) for template in templates
    ], page.next_cursor


def _resource(described: types.Resource | types.ResourceTemplate, uri: str) -> McpResource:
    return McpResource(
        uri=uri,
        name=described.name,
        title=described.title,
        description=described.description,
        media_type=described.mime_type,
    )


async def _prompt_page(client: Client, cursor: str | None) -> tuple[Sequence[McpPrompt], str | None]:
    page = await client.list_prompts(cursor=cursor, cache_mode="bypass")
    return [
        McpPrompt(
            name=prompt.name,
            title=prompt.title,
            description=prompt.description,
            arguments=tuple(
                McpPromptArgument(
                    name=argument.name, description=argument.description, required=bool(argument.required)
                )
                for argument in prompt.arguments or ()
            ),
        )
        for prompt in page.prompts
    ], page.next_cursor
