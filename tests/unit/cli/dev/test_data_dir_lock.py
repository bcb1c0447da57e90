"""The lock that allows one ``opspawn dev`` for each data directory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli.dev.data_dir_lock import DataDirLock, RunningDev, running_dev
from cli.errors import CommandFailed, UsageWrong


def test_a_second_lock_is_refused_with_the_holder_and_the_option(tmp_path: Path) -> None:
    first = DataDirLock(tmp_path / "data")

    with pytest.raises(UsageWrong, match=rf"already runs on .*data \(process {os.getpid()}\).*--data-dir"):
        DataDirLock(tmp_path / "data")

    first.release()


def test_it_can_be_acquired_again_after_release(tmp_path: Path) -> None:
    DataDirLock(tmp_path).release()

    DataDirLock(tmp_path).release()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(CommandFailed, match=r"Can't write .*file.*--data-dir"):
        DataDirLock(tmp_path / "file" / "data")


def test_a_lock_whose_holder_has_died_is_awaited(tmp_path: Path) -> None:
    """After ``kill -9`` the guard holds the lock until the children are gone."""
    of_guard = DataDirLock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait(30)
    (tmp_path / "dev.lock").write_text(f"{dead.pid}\n")
    threading.Timer(0.3, of_guard.release).start()

    DataDirLock(tmp_path).release()

    assert (tmp_path / "dev.lock").read_text() == f"{os.getpid()}\n"


def test_the_holder_of_the_lock_can_be_seen_with_its_url_while_it_runs(tmp_path: Path) -> None:
    assert running_dev(tmp_path) is None

    lock = DataDirLock(tmp_path)
    assert running_dev(tmp_path) == RunningDev(str(os.getpid()), "")
    lock.record_url("http://127.0.0.1:8001")
    assert running_dev(tmp_path) == RunningDev(str(os.getpid()), "http://127.0.0.1:8001")
    with pytest.raises(UsageWrong, match=rf"\(process {os.getpid()}\)"):
        DataDirLock(tmp_path)

    lock.release()
    assert running_dev(tmp_path) is None
