"""``opspawn dev`` as a process of its own, on free ports, and ``opspawn`` beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPSPAWN = [sys.executable, "-P", "-c", "from cli.main import main; main()"]


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago; all different."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


def children_of(pid: int) -> dict[int, str]:
    """Return the living children of a process, with their command lines."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid}


def alive(pids: list[int]) -> list[int]:
    """Return those that still run. What has ended but wasn't reaped yet doesn't."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
    states = dict(line.split(None, 1) for line in listed.stdout.splitlines())
    return [pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")]


@dataclass
class Dev:
    """One data directory, its ports, and the ``opspawn dev`` that serves them."""

    directory: Path
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    _process: subprocess.Popen[str] | None = None
    _lines: list[str] = field(default_factory=list)
    _came: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def output(self) -> str:
        """What it has written so far."""
        return "".join(self._lines)

    @property
    def environment(self) -> dict[str, str]:
        """What lets another command find it."""
        return {
            **os.environ,  # noqa: TID251  # children need PATH and HOME
            "OPSPAWN_URL": self.url,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.ports[1]}",
        }

    def command(self, *options: str) -> list[str]:
        api, temporal, ui = (str(port) for port in self.ports)
        ports = ["--port", api, "--temporal-port", temporal, "--ui-port", ui]
        return [*OPSPAWN, "dev", *ports, "--data-dir", str(self.directory / "data"), *options]

    def start(self, *options: str) -> None:
        """Start it, and return when it is ready."""
        self.directory.mkdir(exist_ok=True)
        self._lines.clear()
        self._process = subprocess.Popen(
            self.command(*options),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.until("Ready after")

    def until(self, text: str, *, seconds: float = 60) -> None:
        """Wait until it has written ``text``."""
        with self._came:
            assert self._came.wait_for(lambda: text in self.output, seconds), f"never wrote {text!r}:\n{self.output}"

    def children(self) -> dict[int, str]:
        assert self._process is not None
        return children_of(self._process.pid)

    def child(self, name: str) -> int:
        """Return the process id of the child whose command line holds ``name``."""
        return next(pid for pid, command in self.children().items() if name in command)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float]:
        """Signal it, as Ctrl-C or ``kill`` do; return its exit code, and after how many seconds it had ended."""
        assert self._process is not None
        assert self._reader is not None
        signalled = time.monotonic()
        self._process.send_signal(number)
        code = self._process.wait(30)
        seconds = time.monotonic() - signalled
        self._reader.join(30)
        return code, seconds

    def close(self) -> None:
        """End it, however the test went."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGTERM)

    def opspawn(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another command against it."""
        return subprocess.run(
            [*OPSPAWN, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def task(self, *arguments: str) -> dict[str, Any]:
        """Return what a command prints with ``--json``."""
        ended = self.opspawn(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        return document

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with self._came:
                    self._lines.append(line)
                    self._came.notify_all()
