"""What every store of MCP tokens does."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from agentkit.interfaces import McpTokens, McpTokenStore
from agentkit.mcp.http.token_store import FileTokenStore
from agentkit.testing import MemoryTokenStore

NAMES = ["github", "my server/1", "../escape", "."]


def tokens(access_token: str) -> McpTokens:
    return McpTokens(url="http://a/mcp", access_token=access_token, token_endpoint="http://a/token", client_id="c")


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> McpTokenStore:
    return FileTokenStore(tmp_path / "mcp") if request.param == "files" else MemoryTokenStore()


async def test_tokens_are_kept_by_the_name_of_the_server(store: McpTokenStore) -> None:
    for name in NAMES:
        assert await store.read(name) is None
        await store.write(name, tokens(name))
    assert [await store.read(name) for name in NAMES] == [tokens(name) for name in NAMES]


async def test_one_at_a_time_holds_the_lock_of_a_server(store: McpTokenStore) -> None:
    async with store.lock("a"):
        waiting = asyncio.ensure_future(store.lock("a").__aenter__())
        async with asyncio.timeout(10), store.lock("b"):
            assert not waiting.done()
    await asyncio.wait_for(waiting, 10)


async def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "mcp")
    async with store.lock("a"):
        await store.write("a", tokens("secret"))
    files = list((tmp_path / "mcp").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(tmp_path / "mcp" == file.parent for file in files)


async def test_a_damaged_file_counts_as_no_tokens(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path)
    await store.write("a", tokens("secret"))
    (tmp_path / "a.json").write_text("{")
    assert await store.read("a") is None
