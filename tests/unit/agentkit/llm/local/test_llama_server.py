"""The program of the server's process, with a stub in place of llama.cpp's package."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agentkit.llm.local import llama_server

STUB = """
import types

class CommonParams:
    def __init__(self):
        self.model, self.sampling = types.SimpleNamespace(), types.SimpleNamespace()
        self.cpuparams, self.cpuparams_batch = types.SimpleNamespace(), types.SimpleNamespace()

class Server:
    def __init__(self, parameters):
        print("noise on standard output")
        if parameters.model.path == "missing":
            raise RuntimeError("no such file")
        sizes = [parameters.n_ctx, parameters.n_predict, parameters.cpuparams.n_threads]
        self.listening_address = [parameters.hostnames, parameters.api_keys, sizes]
"""


@contextmanager
def _running(tmp_path: Path, path: str) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """Start the program with the stub and its arguments; yield it with its standard input and output."""
    (tmp_path / "xllamacpp.py").write_text(STUB)
    process = subprocess.Popen(
        [sys.executable, "-P", llama_server.__file__],
        env={"PYTHONPATH": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            arguments = {"path": path, "key": "k", "context": 512, "max_output": 10, "threads": 2}
            process.stdin.write(f"{json.dumps(arguments)}\n")
            process.stdin.flush()
            yield process, process.stdin, process.stdout
        finally:
            process.kill()


def test_it_serves_on_loopback_with_its_arguments_until_standard_input_is_closed(tmp_path: Path) -> None:
    with _running(tmp_path, "model.gguf") as (process, stdin, stdout):
        assert json.loads(stdout.read()) == {"address": [["127.0.0.1"], ["k"], [512, 10, 2]]}
        assert process.poll() is None
        stdin.close()
        assert process.wait(30) == 0


def test_it_reports_why_it_can_not_load_the_model(tmp_path: Path) -> None:
    with _running(tmp_path, "missing") as (process, _, stdout):
        assert json.loads(stdout.read()) == {"error": "RuntimeError: no such file"}
        assert process.wait(30) == 0


def test_ctrl_c_does_not_end_it(tmp_path: Path) -> None:
    with _running(tmp_path, "model.gguf") as (process, stdin, stdout):
        stdout.read()
        process.send_signal(signal.SIGINT)
        stdin.close()
        assert process.wait(30) == 0


def test_a_termination_ends_it(tmp_path: Path) -> None:
    with _running(tmp_path, "model.gguf") as (process, _, stdout):
        stdout.read()
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
