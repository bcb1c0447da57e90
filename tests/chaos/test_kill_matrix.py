"""Tasks through kills of every process: the short run. ``make test-chaos`` is the long one."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.chaos.kill_matrix import KillMatrix

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


async def test_fifteen_tasks_end_right_through_eight_kills(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")  # pytest shows it when the test fails
    matrix = KillMatrix(tmp_path, tasks=15, kills=8, seed=seed)
    await matrix.run()
    assert matrix.problems == []
    assert len(matrix.finished) >= 15
    assert matrix.killed.total() == 8
