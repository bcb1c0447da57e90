from __future__ import annotations

import asyncio
import errno
import logging
import resource
import subprocess
import sys

import pytest

from api.open_files import OpenFilesLog

_LIMITED = """
import resource, logging
logging.basicConfig()
resource.setrlimit(resource.RLIMIT_NOFILE, (100, {hard}))
from api.open_files import affordable_connections
print(affordable_connections(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("hard", "expected"), [(3000, "1000 2200"), (1000, "400 1000"), (120, "15 120")])
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(hard: int, expected: str) -> None:
    own = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if own != resource.RLIM_INFINITY and own < hard:
        pytest.skip(f"this machine allows {own} open files")
    run = subprocess.run(
        [sys.executable, "-c", _LIMITED.format(hard=hard)], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == expected
    assert ("ulimit -n" in run.stderr) == (hard < 2200)


async def test_too_many_open_files_are_logged_once_a_minute_and_other_errors_always(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    log, loop = OpenFilesLog(lambda: now), asyncio.get_running_loop()
    exhausted = {"message": "accept", "exception": OSError(errno.EMFILE, "Too many open files")}
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):  # noqa: B007  # the clock reads it
        log(loop, exhausted)
    assert len(caplog.records) == 2
    assert "max_connections" in caplog.records[0].getMessage()
    log(loop, {"message": "another", "exception": OSError(errno.EPIPE, "Broken pipe")})
    assert (len(caplog.records), caplog.records[-1].levelno) == (3, logging.ERROR)
