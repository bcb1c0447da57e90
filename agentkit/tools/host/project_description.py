"""What the tool files of an app directory contain: read in a short-lived process, so that nothing is imported here."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agentkit.specs import ToolSpec
from agentkit.tools.host.host_environment import host_environment
from agentkit.tools.host.host_limits import DEFAULT_LIMITS, HostLimits
from agentkit.tools.host.host_messages import DescribeReport, LineBuffer, decode
from agentkit.tools.host.host_starter import child_command, end_description
from agentkit.tools.host.tool_files import tool_paths

__all__ = ["DescribedFile", "DescribedTool", "ProjectDescription", "describe_project"]

logger = logging.getLogger("opspawn.tools")

_READ_BYTES = 65_536
_MAX_OUTPUT_BYTES = 65_536
"""The most bytes in the log of what the files print while they are imported."""


@dataclass(frozen=True)
class DescribedTool:
    """A tool of a project."""

    spec: ToolSpec
    origin: str
    """File and line of its function."""


@dataclass(frozen=True)
class DescribedFile:
    """A tool file: its tools, or why it can't be imported."""

    path: Path
    tools: tuple[DescribedTool, ...] = ()
    import_error: str | None = None
    """With file, line and error, for people."""


@dataclass(frozen=True, eq=False)
class ProjectDescription:
    """The tool files of an app directory, as they were at one time."""

    files: tuple[DescribedFile, ...] = ()
    imported: tuple[Path, ...] = ()
    """The files of the project that the tool files import, with themselves."""

    @property
    def importable(self) -> Sequence[str]:
        """The names of the tool files that can be imported."""
        return [file.path.name for file in self.files if file.import_error is None]

    @property
    def tool_names(self) -> frozenset[str]:
        """The names of all tools."""
        return frozenset(tool.spec.name for file in self.files for tool in file.tools)


def describe_project(app_dir: Path, limits: HostLimits = DEFAULT_LIMITS) -> ProjectDescription:
    """Import the tool files in a process of their own, and return what they contain; no process without tool files.

    A file that ends the process or blocks it has an import error; the others are read without it.
    """
    paths = tool_paths(app_dir)
    errors: dict[str, str] = {}
    if not paths:
        return ProjectDescription()
    while True:
        reading = _Reading(app_dir, list(errors), limits)
        failure = reading.run()
        if failure is None or reading.importing is None or reading.importing in errors:
            break
        errors[reading.importing] = f"{app_dir / 'tools' / reading.importing}: {failure}"
    if failure is not None:
        errors |= {path.name: f"{path}: {failure}" for path in paths}
    files = [
        reading.files.get(path.name) if path.name not in errors else DescribedFile(path, import_error=errors[path.name])
        for path in paths
    ]
    return ProjectDescription(tuple(file for file in files if file is not None), reading.imported)


@dataclass
class _Reading:
    """One process that imports the tool files, and what it has reported so far."""

    app_dir: Path
    skipped: Sequence[str]
    limits: HostLimits
    files: dict[str, DescribedFile] = field(default_factory=dict)
    imported: tuple[Path, ...] = ()
    importing: str | None = None
    """The name of the file that is being imported, or was imported last."""
    is_complete: bool = False

    def run(self) -> str | None:
        """Run the process to its end; return what went wrong with the file that it was importing, if anything did."""
        connection, child_end = socket.socketpair()
        with connection, child_end:
            process = subprocess.Popen(
                child_command("describe", self.app_dir, child_end.fileno(), self.limits.memory_bytes, *self.skipped),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[child_end.fileno()],
                env=host_environment(self.limits.hidden_variables),
                start_new_session=True,
            )
            child_end.close()
            with process:
                try:
                    failure = self._read(connection, process)
                finally:
                    with suppress(OSError):
                        os.killpg(process.pid, signal.SIGKILL)
        return None if self.is_complete else failure

    def _read(self, connection: socket.socket, process: subprocess.Popen[bytes]) -> str:
        """Read reports and output until the reports end; return how, if they are not complete."""
        lines, output = LineBuffer(), _ImportOutput()
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            if process.stdout is not None:
                selector.register(process.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + self.limits.start_timeout_s
            while (remaining := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(remaining):
                    data = os.read(key.fd, _READ_BYTES)
                    if key.fileobj is not connection:
                        output.feed(data)
                        if not data:
                            selector.unregister(key.fileobj)
                        continue
                    if not data:
                        return _how_it_ended(process, self.limits.exit_timeout_s)
                    try:
                        for line in lines.feed(data):
                            self._on_report(decode(line))
                            deadline = time.monotonic() + self.limits.import_timeout_s
                    except (ValueError, KeyError, TypeError):
                        return "its import disturbed the connection to this process."
        return f"its import took more than {self.limits.import_timeout_s:g} s."

    def _on_report(self, report: DescribeReport) -> None:
        name = self.importing or ""
        path = self.app_dir / "tools" / name
        if report["kind"] == "importing":
            self.importing = str(report["file"])
        elif report["kind"] == "import_error":
            self.files[name] = DescribedFile(path, import_error=str(report["message"]))
        elif report["kind"] == "tools":
            tools = (
                DescribedTool(ToolSpec.model_validate(tool["spec"]), str(tool["origin"])) for tool in report["tools"]
            )
            self.files[name] = DescribedFile(path, tuple(tools))
        else:
            self.imported = tuple(Path(file) for file in report["files"])
            self.is_complete = True


class _ImportOutput:
    """Logs what the tool files print while they are imported."""

    def __init__(self) -> None:
        self._remaining = _MAX_OUTPUT_BYTES

    def feed(self, data: bytes) -> None:
        for line in data[: self._remaining].decode(errors="replace").splitlines():
            if line.strip():
                logger.info("tools: %s", line)
        self._remaining = max(0, self._remaining - len(data))


def _how_it_ended(process: subprocess.Popen[bytes], timeout_s: float) -> str:
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return "its import closed the connection to this process."
    return f"its import ended the process, which {end_description(code)}."
