from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.process_cpu import cpu_time

BUSY = "import time\nwhile time.process_time() < 0.3: pass"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-I", "-S", "-c", {BUSY!r}], check=True)
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", {BUSY + chr(10) + "print(flush=True); input()"!r}])
input()
child.communicate()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_children_count_whether_they_run_or_have_ended() -> None:
    command = [sys.executable, "-I", "-S", "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()  # the second child has used its time
        used = cpu_time(parent.pid)
        parent.communicate(b"\n\n")
    assert used.process < used.children
    assert used.children >= 0.55
