"""The ``ContentReader`` Protocol: kept results and files of tool calls."""

from __future__ import annotations

from typing import Protocol

from agentkit.messages import StoredContent

__all__ = ["READ_RESULT", "ContentReader"]

READ_RESULT = "read_result"
"""The name of the tool that reads them for a model."""


class ContentReader(Protocol):
    """Reads stored results of tool calls."""

    async def read(self, content: StoredContent, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from ``start`` up to and excluding ``end``; fewer where the content ends before.

        Raises:
            OpspawnError: they can't be read; the message names the place.
        """
        ...
