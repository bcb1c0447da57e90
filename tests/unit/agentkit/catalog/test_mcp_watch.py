"""mcp.json is read again when it changes, and a listener gets the servers."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from agentkit.catalog.mcp_watch import WatchedMcpFile
from agentkit.mcp_config.mcp_settings import McpServerSettings

Write = Callable[[object], None]

_WAIT_S = 10.0


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_servers(content: object) -> None:
        text = content if isinstance(content, str) else json.dumps({"mcpServers": content})
        temporary = tmp_path / "new.json"
        temporary.write_text(text)
        temporary.replace(tmp_path / "mcp.json")

    return write_servers


@pytest.fixture
def watched(tmp_path: Path, write: Write) -> Iterator[WatchedMcpFile]:
    write({"a": {"command": "a"}, "b": {"command": "b"}})
    watched = WatchedMcpFile(tmp_path)
    yield watched
    watched.stop()


def test_the_file_is_read_again_only_when_it_has_changed(watched: WatchedMcpFile, write: Write) -> None:
    first = watched.file
    assert watched.file is first
    write({"c": {"command": "c"}})
    assert list(watched.file.servers) == ["c"]


def test_former_entries_are_used_while_something_is_wrong(watched: WatchedMcpFile, write: Write) -> None:
    write({"a": {"command": "new"}, "b": {"comand": "b"}, "c": {}})
    file = watched.file
    assert {name: settings.command for name, settings in file.servers.items()} == {"a": "new", "b": "b"}
    assert file.broken == {"c"}
    assert any("mcpServers.b.comand" in problem for problem in file.problems)
    write("{")
    assert set(watched.file.servers) == {"a", "b"}
    assert len(watched.file.problems) == 1
    write({})
    assert watched.file.servers == {}
    assert watched.file.problems == []


def test_a_file_that_is_deleted_has_no_servers(watched: WatchedMcpFile, tmp_path: Path) -> None:
    (tmp_path / "mcp.json").unlink()
    assert watched.file.servers == {}


def test_a_listener_gets_the_servers_that_can_be_used(watched: WatchedMcpFile, write: Write) -> None:
    changes: queue.Queue[Mapping[str, McpServerSettings]] = queue.Queue()
    watched.on_change(changes.put)
    write("{")  # not one of the changes: the servers are the same
    write({"a": {"command": "a"}, "b": {"command": "b", "disabled": True}})
    assert list(changes.get(timeout=_WAIT_S)) == ["a"]
    write({"a": {"command": "a2"}})
    assert changes.get(timeout=_WAIT_S)["a"].command == "a2"
    watched.stop()
    assert changes.empty()
