from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ToolError
from agentkit.interfaces import ToolContext
from agentkit.messages import StoredContent
from agentkit.tools.builtin.read_result import read_result_tool


class MemoryReader:
    """A ``ContentReader`` of one content."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def read(self, content: StoredContent, start: int = 0, end: int | None = None) -> bytes:
        return self.data[start:end]


async def read(data: bytes, **arguments: int | str) -> str:
    content = StoredContent(media_type="text/plain", size=len(data))
    context = ToolContext(task_id="t", call_id="r", idempotency_key="t/r", step=2, result=content)
    value = await read_result_tool(MemoryReader(data)).call({"call_id": "c", **arguments}, context)
    assert isinstance(value, str)
    return value


@given(text=st.text(min_size=1, max_size=300), size=st.integers(1, 40))
async def test_pages_add_up_to_the_text_wherever_they_are_cut(text: str, size: int) -> None:
    data, start, pages = text.encode(errors="replace"), 0, ""
    while start < len(data):
        note, _, page = (await read(data, start=start, end=start + size)).partition("\n\n")
        pages += page
        following = re.search(r"start=(\d+)", note)
        start = int(following[1]) if following else len(data)
    assert pages.encode() == data


async def test_a_page_has_20_000_bytes_at_most() -> None:
    note, _, page = (await read(b"x" * 50_000)).partition("\n\n")
    assert len(page) == 20_000
    assert note == "[Bytes 0 to 20000 of 50000. Call again with start=20000 to read on.]"


async def test_a_start_behind_the_end_is_an_error_with_the_size() -> None:
    with pytest.raises(ToolError, match="the result has 3 bytes"):
        await read(b"abc", start=3)


async def test_a_text_across_two_blocks_is_found_once_with_its_surroundings() -> None:
    position = 4 * 1_048_576 - 3
    data = b"." * position + b"needle" + b"." * 100
    found = await read(data, search="needle")
    assert found.startswith("[1 places")
    assert f"At {position}: " in found
    assert found.count("needle") == 1


async def test_of_many_places_the_first_20_are_shown_and_where_to_go_on() -> None:
    data = b"needle " * 50
    found = await read(data, search="needle")
    assert found.startswith("[20 places")
    following = re.search(r"start=(\d+) for more", found)
    assert following is not None
    assert (await read(data, search="needle", start=int(following[1]))).startswith("[20 places")


async def test_a_search_can_be_limited_to_a_range() -> None:
    assert "Not found between bytes 0 and 5" in await read(b"12345needle", search="needle", end=5)


async def test_without_a_kept_result_or_a_reader_the_model_reads_why() -> None:
    context = ToolContext(task_id="t", call_id="r", idempotency_key="t/r", step=2)
    with pytest.raises(ToolError, match="No result is kept under call_id 'c'"):
        await read_result_tool(MemoryReader(b"")).call({"call_id": "c"}, context)
    with pytest.raises(ToolError, match="this process is none"):
        await read_result_tool().call({"call_id": "c"}, context)
