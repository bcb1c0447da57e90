"""``mcp.json`` as it is now, and listeners that are called when its servers change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from agentkit.catalog.file_changes import ChangeWatcher, FileVersions, file_version
from agentkit.catalog.mcp_file import MCP_FILE, McpFile, read_mcp_file
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["WatchedMcpFile"]

_Servers = Mapping[str, McpServerSettings]


class WatchedMcpFile:
    """The file of an app directory; it is read again when it has changed."""

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = app_dir
        self._path = app_dir / MCP_FILE
        self._version: Hashable = file_version(self._path)
        self._file = read_mcp_file(app_dir)
        self._watcher: ChangeWatcher | None = None

    @property
    def file(self) -> McpFile:
        """The file as it is now; of an entry that has become wrong, the former one."""
        version = file_version(self._path)
        if version != self._version:
            self._file, self._version = read_mcp_file(self._app_dir).after(self._file), version
        return self._file

    def versions(self) -> FileVersions:
        """Return the version of the file; it changes when the file does."""
        return {self._path.resolve(): file_version(self._path)}

    def on_change(self, listener: Callable[[_Servers], None]) -> None:
        """Call ``listener`` with the enabled servers whenever they change, in a thread of its own, until ``stop``.

        There is one listener at most.
        """
        known = self.file.enabled

        def check() -> None:
            nonlocal known
            if (servers := self.file.enabled) != known:
                known = servers
                listener(servers)

        self.stop()
        self._watcher = ChangeWatcher(self.versions, lambda _: check())

    def stop(self) -> None:
        """End the calls of the listener; wait a moment for one that is running."""
        if self._watcher is not None:
            self._watcher.stop()
