"""Scratch directories are deleted, those of processes that were killed too, and nothing outside is."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agentkit.sandbox.scratch_space import ScratchSpace

PROGRAM = (
    "from agentkit.sandbox.scratch_space import ScratchSpace; import os; space = ScratchSpace();"
    "paths = space.paths().__enter__(); print(space.directory, flush=True); os.kill(os.getpid(), 9)"
)


@pytest.fixture(autouse=True)
def temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_directory_of_a_killed_process_is_deleted_by_the_next_and_that_of_a_running_one_stays(
    temporary_directory: Path,
) -> None:
    running = ScratchSpace()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"TMPDIR": str(temporary_directory)},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    left = Path(ended.stdout.strip())
    assert left.is_dir(), ended.stderr
    later = ScratchSpace()
    assert not left.exists()
    assert running.directory.is_dir()
    for space in (running, later):
        space.close()
    assert list(temporary_directory.iterdir()) == []


def test_a_deep_directory_with_links_is_deleted_and_their_targets_stay(temporary_directory: Path) -> None:
    target = temporary_directory / "target"
    target.mkdir()
    (target / "file").touch()
    space = ScratchSpace()
    with space.paths() as paths:
        assert (paths.files.stat().st_mode & 0o777, paths.temporary.stat().st_mode & 0o7777) == (0o700, 0o1777)
        (paths.files / "link").symlink_to(target)
        subprocess.run(
            [sys.executable, "-c", "import os\nfor _ in range(2000): os.mkdir('d'); os.chdir('d')"],
            cwd=paths.files,
            check=True,
        )
    assert not paths.files.parent.exists()
    assert (target / "file").exists()
    space.close()


def test_two_processes_that_start_at_once_keep_their_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[ScratchSpace] = []
    lock = fcntl.flock

    def start_another_and_lock(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not later:
            monkeypatch.setattr(fcntl, "flock", lock)
            later.append(ScratchSpace())
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", start_another_and_lock)
    spaces = [ScratchSpace(), *later]
    assert len(spaces) == 2
    for space in spaces:
        with space.paths() as paths:
            assert paths.files.is_dir()
        space.close()
