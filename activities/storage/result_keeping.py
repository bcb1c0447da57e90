"""Keep what tool calls return and a model is not shown: whole results, and files, in payload storage."""

from __future__ import annotations

import asyncio
import logging

from activities.storage.content_storage import ContentStorage
from agentkit.errors import OpspawnError
from agentkit.interfaces import Secrets, ToolOutput, ToolValue
from agentkit.messages import StoredContent
from agentkit.runtime.calls.tool_results import encoded_text, shown_value

__all__ = ["ResultKeeper", "redacted_output"]

logger = logging.getLogger("opspawn.tools")

_MIN_STORED_CHARS = 2_000
"""A shorter text is never a payload of a size that is stored: a character takes at most 6 bytes of JSON."""


class ResultKeeper:
    """Makes a tool's value fit for a history: bounded, with references to what is kept.

    It never fails: the tool has done its work, and that must not be lost because its result can't be stored.
    """

    def __init__(self, storage: ContentStorage | None) -> None:
        """Keep results in ``storage``; without one they are bounded, and nothing is kept."""
        self._storage = storage

    async def keep(self, workflow_id: str, value: ToolValue, timeout_s: float) -> ToolValue:
        """Return what the result of the call's activity is to be; what can't be stored within ``timeout_s`` is lost."""
        if isinstance(value, ToolOutput) and value.input_required is not None:
            return value
        returned, files = (value.value, value.files or ()) if isinstance(value, ToolOutput) else (value, ())
        shown, omitted, text = shown_value(returned)
        if not files and len(text) < _MIN_STORED_CHARS:
            return shown
        media_type = "text/plain" if isinstance(returned, str) else "application/json"
        output = ToolOutput(value=shown, omitted=omitted)
        try:
            async with asyncio.timeout(timeout_s):
                output = await self._stored(workflow_id, output, text, media_type, files)
        except (OpspawnError, TimeoutError) as error:
            reason = "storing it took too long" if isinstance(error, TimeoutError) else "its storage can't be written"
            logger.warning("A tool's result is not kept: %s", str(error) or reason)
            output = output.model_copy(update={"loss": reason, "files": tuple(map(_without_data, files)) or None})
        return output if output.omitted or output.files or output.loss else output.value

    async def _stored(
        self, workflow_id: str, output: ToolOutput, text: str, media_type: str, files: tuple[StoredContent, ...]
    ) -> ToolOutput:
        if self._storage is None:
            return output.model_copy(update={"files": tuple(map(_without_data, files)) or None})
        if output.omitted is not None:
            data = await asyncio.to_thread(encoded_text, text)
            whole = await self._storage.write(workflow_id, data, media_type=media_type)
            output = output.model_copy(update={"whole": whole})
        stored = [
            await self._storage.write(workflow_id, file.data or b"", media_type=file.media_type, name=file.name)
            for file in files
        ]
        output = output.model_copy(update={"files": tuple(stored) or None})
        await self._storage.check(workflow_id, output if output.omitted or output.files else output.value)
        return output


def _without_data(file: StoredContent) -> StoredContent:
    return file.model_copy(update={"data": None})


def redacted_output(secrets: Secrets, value: ToolValue) -> ToolValue:
    """Return what a tool returned without the values of secrets; in its files, too, unless they are compressed."""
    if not isinstance(value, ToolOutput):
        return secrets.redact_value(value)
    files = tuple(_redacted_file(secrets, file) for file in value.files or ())
    update: dict[str, object] = {"value": secrets.redact_value(value.value), "files": files or None}
    if (required := value.input_required) is not None:  # but for its state, which the server needs unchanged
        requests = (each.model_copy(update={"params": secrets.redact_value(each.params)}) for each in required.requests)
        update["input_required"] = required.model_copy(update={"requests": tuple(requests)})
    return value.model_copy(update=update)


def _redacted_file(secrets: Secrets, file: StoredContent) -> StoredContent:
    data = file.data or b""
    redacted = secrets.redact_bytes(data)
    if redacted != data:
        file = file.model_copy(update={"data": redacted, "size": len(redacted)})
    return file if file.name is None else file.model_copy(update={"name": secrets.redact_text(file.name)})
