"""What tests read of processes."""

from __future__ import annotations

import subprocess
import sys
from subprocess import PIPE

import pytest

from tests.process_states import environment_of, parent_of

FORKS = """
import os, sys
child = os.fork()
if child:
    print(child, flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_process_between_fork_and_exec_has_no_environment_of_its_own() -> None:
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, env={"PLANTED": "hunter2"}) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent_of(child) == parent.pid
        assert environment_of(parent.pid) == b"PLANTED=hunter2\0"
        assert environment_of(child) is None
