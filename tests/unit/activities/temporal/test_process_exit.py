from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
from activities.temporal.process_exit import exit_process
atexit.register(print, "finalized")
sys.stdout.write("written")
exit_process({code})
"""


@pytest.mark.parametrize("code", [0, 3])
def test_output_is_flushed_and_exit_handlers_are_skipped(code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code)], capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "written", "")
