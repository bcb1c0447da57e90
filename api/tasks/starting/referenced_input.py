"""Replace references to prompts and resources of MCP servers in a task's input by what they contain."""

from __future__ import annotations

from temporalio.client import Client

from activities.mcp.mcp_queries import McpContentRequest
from activities.settings import Settings
from agentkit.messages import InputPart
from api.tasks.errors import FieldPath, McpContentRefused, TaskRefused
from api.tasks.requests.content_input import PromptInput, ResourceInput, TaskContent, message_part
from api.tasks.workers.worker_mcp import WorkerMcpServers

__all__ = ["ReferencedInput", "has_references"]


def has_references(content: TaskContent) -> bool:
    """Return whether only MCP servers have all of a task's input."""
    if isinstance(content, str | PromptInput):
        return isinstance(content, PromptInput)
    return any(isinstance(part, ResourceInput) for part in content)


class ReferencedInput:
    """Reads the prompts and resources that requests refer to."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._servers = WorkerMcpServers(client, settings)
        self._max_bytes = settings.max_input_bytes

    async def resolve(self, content: TaskContent) -> str | tuple[InputPart, ...]:
        """Return a task's input as messages hold it.

        Raises:
            TaskRefused: there is no such server, prompt or resource, its arguments are wrong, or it is too large.
            McpServerFailed, McpServerTimedOut: a server can't be used now.
            WorkerUnavailable: no worker responds; only they talk to MCP servers.
        """
        if isinstance(content, str):
            return content
        if isinstance(content, PromptInput):
            return (await self._read({(): content}))[()]
        places: dict[FieldPath, PromptInput | ResourceInput] = {
            (index,): part for index, part in enumerate(content) if isinstance(part, ResourceInput)
        }
        read = await self._read(places) if places else {}
        parts: list[InputPart] = []
        for index, part in enumerate(content):
            parts += read[(index,)] if isinstance(part, ResourceInput) else [message_part(part)]
        return tuple(parts)

    async def _read(
        self, places: dict[FieldPath, PromptInput | ResourceInput]
    ) -> dict[FieldPath, tuple[InputPart, ...]]:
        """Return the contents of references, by their places in the input."""
        items = tuple(reference.reference for reference in places.values())
        try:
            content = await self._servers.content(McpContentRequest(items=items, max_bytes=self._max_bytes))
        except McpContentRefused as refused:
            place = [*places][refused.item]
            raise TaskRefused(str(refused), path=("input", *place, *refused.path)) from None
        return dict(zip(places, content.contents, strict=True))
