"""Copy the stored contents that messages refer to, long results and files, so that they belong to another workflow."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from temporalio.client import Client

from activities.storage.content_storage import ContentStorage
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.messages import Message, StoredContent, ToolResult

__all__ = ["ContentCopies"]

logger = logging.getLogger("opspawn.payloads")


class ContentCopies:
    """Copies contents within payload storage; each is read as a whole."""

    def __init__(self, client: Client) -> None:
        self._storage = ContentStorage(client)

    async def copy(self, workflow_id: str, messages: Sequence[Message], *, complete: bool = False) -> list[Message]:
        """Return the messages with references to copies that belong to the workflow.

        Unless ``complete``, a content that can't be read keeps its reference: the text that describes it is in the
        message.

        Raises:
            PayloadStorageFailed: a copy can't be written; if ``complete``, also where a content can't be read.
        """
        return [await self._copied(workflow_id, message, complete) for message in messages]

    async def _copied(self, workflow_id: str, message: Message, complete: bool) -> Message:
        if not any(isinstance(part, ToolResult) and (part.whole or part.files) for part in message.parts):
            return message
        parts = [
            await self._copied_result(workflow_id, part, complete) if isinstance(part, ToolResult) else part
            for part in message.parts
        ]
        return message.model_copy(update={"parts": tuple(parts)})

    async def _copied_result(self, workflow_id: str, result: ToolResult, complete: bool) -> ToolResult:
        whole = None if result.whole is None else await self._copied_content(workflow_id, result.whole, complete)
        files = [await self._copied_content(workflow_id, file, complete) for file in result.files or ()]
        return result.model_copy(update={"whole": whole, "files": tuple(files) or None})

    async def _copied_content(self, workflow_id: str, content: StoredContent, complete: bool) -> StoredContent:
        if content.claim is None:
            return content
        try:
            data = await self._storage.read(content)
        except PayloadStorageFailed as error:
            if complete:
                raise
            logger.warning("A content of a turn can't be copied to its conversation: %s", error)
            return content
        copy = await self._storage.write(workflow_id, data, media_type=content.media_type, name=content.name)
        return content.model_copy(update={"claim": copy.claim})
