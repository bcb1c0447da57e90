"""What a program uses is measured, whatever it makes of its directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.interfaces import SandboxLimits
from agentkit.sandbox.usage_watch import directory_usage, exceeded_limit, process_tree
from tests.unprivileged_user import unprivileged_owner

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"


def test_files_directories_and_holes_count(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with (tmp_path / "a" / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    usage = directory_usage(tmp_path, max_files=10)
    assert usage.files == 3
    assert 10_000_000 <= usage.bytes < 10_100_000
    assert not usage.is_unreadable


def test_a_link_counts_as_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "outside").symlink_to("/usr")
    usage = directory_usage(tmp_path, max_files=10)
    assert (usage.files, usage.is_unreadable) == (2, False)
    assert usage.bytes < 100_000


def test_counting_ends_at_the_limit(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert directory_usage(tmp_path, max_files=10).files == 11
    assert exceeded_limit(os.getpid(), tmp_path, SandboxLimits(files=10)) == "disk"


def test_a_directory_that_is_too_deep_or_gone_is_over_the_limit(tmp_path: Path) -> None:
    directory = tmp_path
    for _ in range(70):
        directory /= "d"
    directory.mkdir(parents=True)
    assert directory_usage(tmp_path, max_files=1000).is_unreadable
    assert directory_usage(tmp_path / "nothing", max_files=1000).is_unreadable


def test_grandchildren_belong_to_the_tree(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        tree = process_tree(process.pid)
        assert tree[0] == process.pid
        assert len(tree) == 2
        assert exceeded_limit(process.pid, tmp_path, SandboxLimits(memory_bytes=1)) == "memory"
        assert exceeded_limit(process.pid, tmp_path, SandboxLimits()) is None
        process.communicate(b"\n")


def test_a_directory_whose_files_a_program_may_not_look_at_is_over_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "listed"
    listed.mkdir()
    (listed / "file").touch()
    listed.chmod(0o444)
    monkeypatch.chdir(tmp_path)  # directories above are private
    with unprivileged_owner(tmp_path):
        usage = directory_usage(Path(), max_files=10)
    assert usage.is_unreadable
