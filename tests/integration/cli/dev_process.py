"""``opspawn dev`` as a process of its own, on reserved ports, and other ``opspawn`` commands against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.process_states import children_of
from tests.reserved_ports import reserve_port

OPSPAWN = [sys.executable, "-P", "-m", "opspawn"]


@dataclass
class DevProcess:
    """An ``opspawn dev`` with a directory and ports of its own."""

    directory: Path
    api_port: int = field(default_factory=reserve_port)
    temporal_port: int = field(default_factory=reserve_port)
    ui_port: int = field(default_factory=reserve_port)
    grpc_port: int = field(default_factory=reserve_port)
    relay_port: int = field(default_factory=reserve_port)
    program: Sequence[str] = tuple(OPSPAWN)
    """How ``opspawn`` is started."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """More environment variables."""
    _process: subprocess.Popen[str] | None = None
    _lines: list[str] = field(default_factory=list)
    _line_received: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def output(self) -> str:
        """Its output so far."""
        return "".join(self._lines)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of ``opspawn dev``, and of commands that use it."""
        return {
            **os.environ,  # noqa: TID251  # children need PATH and HOME
            "OPSPAWN_URL": self.url,
            "OPSPAWN_RELAY_PORT": str(self.relay_port),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal_port}",
            **self.variables,
        }

    def command(self, *options: str) -> list[str]:
        ports = {
            "--port": self.api_port,
            "--grpc-port": self.grpc_port,
            "--temporal-port": self.temporal_port,
            "--ui-port": self.ui_port,
        }
        port_options = [text for option, port in ports.items() for text in (option, str(port))]
        return [*self.program, "dev", *port_options, "--data-dir", str(self.directory / "data"), *options]

    def start(self, *options: str) -> None:
        """Start it, and wait until it is ready."""
        self.start_command(self.command(*options))

    def start_command(self, command: list[str]) -> None:
        """Start it by this command, and wait until it is ready."""
        self.directory.mkdir(exist_ok=True)
        self._lines.clear()
        self._process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.wait_for_output("Ready after")

    def wait_for_output(self, text: str, *, timeout_s: float = 60) -> None:
        """Wait until its output contains ``text``."""
        with self._line_received:
            arrived = self._line_received.wait_for(lambda: text in self.output, timeout_s)
        assert arrived, f"no {text!r} in the output:\n{self.output}"

    def children(self) -> dict[int, str]:
        assert self._process is not None
        return children_of(self._process.pid)

    def child(self, name: str) -> int:
        """Return the process id of the child whose command line contains ``name``."""
        return next(pid for pid, command in self.children().items() if name in command)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float]:
        """Signal it, as Ctrl-C or ``kill`` do; return its exit code and the seconds until its end."""
        assert self._process is not None
        assert self._reader is not None
        signalled = time.monotonic()
        self._process.send_signal(number)
        code = self._process.wait(30)
        seconds = time.monotonic() - signalled
        self._reader.join(30)
        return code, seconds

    def close(self) -> None:
        """End it when it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGTERM)

    def opspawn(
        self,
        *arguments: str,
        timeout_s: float = 60,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run another command against it, in its directory and environment unless others are given."""
        return subprocess.run(
            [*OPSPAWN, *arguments],
            cwd=cwd or self.directory,
            env=environment or self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def json_of(self, *arguments: str) -> dict[str, Any]:
        """Run a command with ``--json``, and return its output."""
        result = self.opspawn(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        output: dict[str, Any] = json.loads(result.stdout)
        return output

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with self._line_received:
                    self._lines.append(line)
                    self._line_received.notify_all()
