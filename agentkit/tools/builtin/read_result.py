"""The tool ``read_result``: the parts of a long tool result that its bounded form leaves out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentkit.errors import ToolError
from agentkit.interfaces import READ_RESULT, ContentReader, Tool, ToolContext
from agentkit.messages import StoredContent
from agentkit.tools.function_tool import tool

__all__ = ["read_result_tool"]

_PAGE_BYTES = 20_000
"""The most bytes of one page; results of more than about 32,000 characters would be cut again."""
_SEARCH_BYTES = 4 * 1_048_576
"""How much is searched at once."""
_MAX_MATCHES = 20
_CONTEXT_BYTES = 200
"""How much is shown before and after a match."""
_MAX_SEARCH_CHARS = 1_000

_Position = Annotated[int, Field(ge=0)]


def read_result_tool(reader: ContentReader | None = None) -> Tool:
    """Return ``read_result``. Without a ``reader`` it has a spec, but its calls fail."""

    @tool(name=READ_RESULT, effect="pure", timeout="60s")
    async def read_result(
        call_id: str,
        context: ToolContext,
        start: _Position = 0,
        end: _Position | None = None,
        search: Annotated[str, Field(max_length=_MAX_SEARCH_CHARS)] | None = None,
        file: Annotated[int, Field(ge=1)] | None = None,
    ) -> str:
        """Read on in a result of this task that was too long to show, or in a file of it, or find text there.

        Args:
            call_id: As the note in the shortened result gives it.
            start: Offset in bytes; to read, or search, from there on.
            end: Offset in bytes, 20,000 after start at most; to read less.
            search: Text to find, exactly as written; the result is where it stands, with its surroundings.
            file: Number of a file that the call returned, to read that one.
        """
        if reader is None:
            raise ToolError("Results are kept by workers, and this process is none: call the tool again for less.")
        content = context.result
        if content is None:
            raise ToolError(
                f"No result is kept under call_id {call_id!r}{'' if file is None else f' with file {file}'}. Only "
                "results that were shortened are, and files; the notes in results have their call_id."
            )
        if not content.is_text:
            raise ToolError(f"It is {content.media_type}, which can't be read as text.")
        if search:
            return await _matches(reader, content, search.encode(errors="replace"), start, end)
        return await _page(reader, content, start, end)

    return read_result


async def _page(reader: ContentReader, content: StoredContent, start: int, end: int | None) -> str:
    size = content.size
    if start >= size:
        raise ToolError(f"start={start} is behind its end: the result has {size} bytes.")
    end = min(size, start + _PAGE_BYTES, size if end is None else max(end, start + 1))
    data = await reader.read(content, start, min(size, end + 4))
    first, last = _character_start(data, 0), _character_start(data, end - start)
    following = f" Call again with start={start + last} to read on." if start + last < size else ""
    note = f"[Bytes {start + first} to {start + last} of {size}.{following}]"
    return f"{note}\n\n{data[first:last].decode(errors='replace')}"


async def _matches(reader: ContentReader, content: StoredContent, needle: bytes, start: int, end: int | None) -> str:
    """Return where the text is found, each place with its surroundings."""
    size = min(content.size, content.size if end is None else end)
    found: list[str] = []
    position = start
    while position < size and len(found) < _MAX_MATCHES:
        first = max(0, position - _CONTEXT_BYTES)
        data = await reader.read(content, first, min(size, position + _SEARCH_BYTES) + len(needle) + _CONTEXT_BYTES)
        block_end = min(size, position + _SEARCH_BYTES)
        while len(found) < _MAX_MATCHES:
            at = data.find(needle, position - first, block_end - first + len(needle) - 1)
            if at < 0:
                position = block_end
                break
            found.append(f"At {first + at}: {_surroundings(data, at, at + len(needle))}")
            position = first + at + len(needle)
    if not found:
        return f"[Not found between bytes {start} and {size}. The search is exact: case and spaces count.]"
    following = f" Call again with start={position} for more." if len(found) == _MAX_MATCHES else ""
    return "\n\n".join([f"[{len(found)} places, in bytes; read on from one with start.{following}]", *found])


def _surroundings(data: bytes, start: int, end: int) -> str:
    first = _character_start(data, max(0, start - _CONTEXT_BYTES))
    last = _character_start(data, end + _CONTEXT_BYTES)
    return data[first:last].decode(errors="replace")


def _character_start(data: bytes, position: int) -> int:
    """Return the first position from ``position`` on at which no character of UTF-8 is under way."""
    position = min(position, len(data))
    for _ in range(3):
        if position < len(data) and data[position] & 0xC0 == 0x80:
            position += 1
    return position
