"""The embedded Temporal server: its executable and its command line."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from activities.settings import Settings
from agentkit.config.extra_packages import install_command
from cli.errors import UsageWrong
from workflows.search_attributes import search_attribute_types

__all__ = ["DYNAMIC_CONFIG", "TemporalServer", "find_temporal"]

DYNAMIC_CONFIG = (
    # There is one shard: with the default of 20 polls a second, each workflow task waits 50 ms after a burst.
    "history.transferProcessorMaxPollRPS=2000",
    # A dev server reads its cluster and namespace from the database for each use of a search attribute: half of all its
    # reads and writes. With the cache of other servers, one that is added while it runs can be used 2 s later.
    "system.forceSearchAttributesCacheRefreshOnRead=false",
    # Lists show a task as stalled after its second failed workflow task: by default after the fifth, minutes later.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
    "matching.enableFairness=true",
    "matching.useNewMatcher=true",
    # Fairness is exact within a partition of a task queue only; one is enough for a server on one machine.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
"""Settings of the server, each ``name=value``."""
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
"""Seven times the throughput of SQLite's defaults; nothing is lost when the process crashes."""


def find_temporal(settings: Settings) -> Path:
    """Return the ``temporal`` executable: the configured one, else the extra ``embedded``'s, else one from the PATH.

    Raises:
        UsageWrong: there is none; the message names the command that installs it.
    """
    if settings.temporal_bin is not None:
        configured = settings.temporal_bin.expanduser()
        if configured.is_dir() or not os.access(configured, os.X_OK):
            raise UsageWrong(f"OPSPAWN_TEMPORAL_BIN={configured} is not an executable file. Correct or unset it.")
        return configured.absolute()
    packaged = Path(sys.executable).parent / "temporal"
    if os.access(packaged, os.X_OK):
        return packaged
    on_path = shutil.which("temporal")
    if on_path is None:
        raise UsageWrong(
            f"There is no temporal command to start a server with: {install_command('embedded')}, or name a running "
            "server in TEMPORAL_ADDRESS."
        )
    return Path(on_path)


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """A Temporal server for this machine, on 127.0.0.1; it registers the search attributes at its start."""

    binary: Path
    """The ``temporal`` executable."""
    port: int
    """Port of the gRPC front end."""
    ui_port: int | None = None
    """Port of the Web UI; None: no Web UI."""
    database: Path | None = None
    """An SQLite file; None: in memory."""
    namespace: str | None = None
    """A namespace to create besides ``default``."""
    codec_endpoint: str | None = None
    """URL of the codec server that the Web UI decrypts payloads with; None: it shows them as they are."""

    def command(self) -> list[str]:
        """Return the command line that starts it."""
        command = [str(self.binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--log-level", "warn"]
        command += ["--headless"] if self.ui_port is None else ["--ui-port", str(self.ui_port)]
        if self.database is not None:
            command += ["--db-filename", str(self.database)]
            command += [argument for pragma in _PRAGMAS for argument in ("--sqlite-pragma", pragma)]
        command += [argument for value in DYNAMIC_CONFIG for argument in ("--dynamic-config-value", value)]
        for name, kind in search_attribute_types().items():
            command += ["--search-attribute", f"{name}={kind}"]
        if self.codec_endpoint is not None:
            command += ["--ui-codec-endpoint", self.codec_endpoint]
        if self.namespace is not None and self.namespace != "default":
            command += ["--namespace", self.namespace]
        return command
