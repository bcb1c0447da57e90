"""The tools ``list_resources`` and ``read_resource``: what MCP servers offer to read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue

from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import McpResource, McpServers, Tool
from agentkit.messages import FilePart, ImagePart, InputPart, TextPart
from agentkit.runtime.calls.mcp_requests import request_server
from agentkit.tools.function_tool import tool
from agentkit.tools.returned_files import File

__all__ = ["RESOURCE_TOOLS", "mcp_resource_tools"]

RESOURCE_TOOLS = ("list_resources", "read_resource")

_TIMEOUT = "120s"
_MAX_SERVER_S = 100.0
"""Seconds for one server, so that the others' resources are listed although it hangs."""
_MAX_LISTED = 100
_MAX_DESCRIPTION_CHARS = 200
_MAX_NOTE_CHARS = 1_000

_Server = Annotated[str, Field(max_length=500)]
_Uri = Annotated[str, Field(min_length=1, max_length=8_000)]


def mcp_resource_tools(servers: McpServers | None = None) -> Sequence[Tool]:
    """Return ``list_resources`` and ``read_resource``. Without ``servers`` they have specs, but calls fail."""

    @tool(name=RESOURCE_TOOLS[0], effect="pure", timeout=_TIMEOUT)
    async def list_resources(server: _Server | None = None) -> dict[str, Any]:
        """List what MCP servers offer to read, such as files and records; read one with read_resource.

        Args:
            server: To list only those of this server.
        """
        connected = _connected(servers)
        names = sorted(connected.settings) if server is None else [server]
        listed = await asyncio.gather(*(_listed(connected, name) for name in names))
        found = [(name, each) for name, each in zip(names, listed, strict=True) if not isinstance(each, str)]
        resources = [_summary(name, resource) for name, each in found for resource in each]
        notes = [each[:_MAX_NOTE_CHARS] for each in listed if isinstance(each, str)]
        if server is not None and notes:
            raise ToolError(notes[0])
        if len(resources) > _MAX_LISTED:
            notes.append(f"{len(resources) - _MAX_LISTED} more are not shown. Name a server to list its own.")
        result: dict[str, Any] = {"resources": resources[:_MAX_LISTED]}
        return {**result, "notes": notes} if notes else result

    @tool(name=RESOURCE_TOOLS[1], effect="pure", timeout=_TIMEOUT)
    async def read_resource(server: _Server, uri: _Uri) -> Any:
        """Read a resource of an MCP server.

        Args:
            server: As list_resources names it.
            uri: As list_resources gives it; of a template, with values in place of its parameters.
        """
        connected = _connected(servers)
        try:
            parts = await request_server(
                connected, server, "resources", lambda name: connected.read_resource(name, uri), _MAX_SERVER_S
            )
        except McpServerUnavailable as error:
            raise ToolError(str(error)) from error
        contents = list(_contents(parts))
        return contents[0] if len(contents) == 1 else contents or "The resource is empty."

    return list_resources, read_resource


def _connected(servers: McpServers | None) -> McpServers:
    if servers is None:
        raise ToolError("There are no MCP servers in this process. A worker has them: give the task to one.")
    return servers


async def _listed(servers: McpServers, server: str) -> Sequence[McpResource] | str:
    """Return the resources of a server, or why it can't be used."""
    try:
        return await request_server(servers, server, "resources", servers.list_resources, _MAX_SERVER_S)
    except McpServerUnavailable as error:
        return str(error)


def _summary(server: str, resource: McpResource) -> dict[str, JsonValue]:
    description = " ".join((resource.description or "").split())[:_MAX_DESCRIPTION_CHARS] or None
    values: dict[str, JsonValue] = {
        "uri_template" if resource.is_template else "uri": resource.uri,
        "name": resource.title or resource.name,
        "description": description,
        "media_type": resource.media_type,
        "size": resource.size,
    }
    return {"server": server, **{key: value for key, value in values.items() if value is not None}}


def _contents(parts: Sequence[InputPart]) -> Iterator[str | File]:
    """Yield the text of all parts as one, and the files."""
    texts = []
    for part in parts:
        match part:
            case TextPart(text=text):
                texts.append(text)
            case FilePart() if part.is_text:
                heading = f"[{part.label}]\n" if len(parts) > 1 else ""
                texts.append(heading + part.data.decode(errors="replace"))
            case FilePart():
                yield File(part.data, part.media_type, part.name)
            case ImagePart(data=bytes() as data):
                yield File(data, part.media_type or "application/octet-stream")
            case ImagePart(url=url):
                texts.append(f"[An image at {url}]")
    if texts:
        yield "\n\n".join(texts)
