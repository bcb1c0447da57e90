"""What a program changed is found in its directory, and what it made unreadable is not taken for deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from agentkit.interfaces import FileChanges, FileSnapshot, TaskFile
from agentkit.tools.scratch_changes import ScratchChanges, scratch_changes
from tests.unprivileged_user import unprivileged_owner


def restored(directory: Path, *paths: str) -> FileSnapshot:
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("1")
    return FileSnapshot(
        files=tuple(
            TaskFile(path=path, sha256=sha256(b"1").hexdigest(), size=1, modified_at=datetime.now(UTC))
            for path in sorted(paths)
        )
    )


def test_written_and_deleted_files_are_changes_and_others_are_none(tmp_path: Path) -> None:
    before = restored(tmp_path, "same", "other", "gone", "run")
    (tmp_path / "other").write_text("2")
    (tmp_path / "gone").unlink()
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "new").write_text("1")
    found = scratch_changes(tmp_path, before)
    assert set(found.changes.written) == {"other", "run", "new"}
    assert found.changes.deleted == {"gone"}
    assert found.not_kept == ()


def test_files_that_a_program_made_unreadable_are_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = restored(tmp_path, "file", "closed/a/b", "closedness", "listed/c")
    (tmp_path / "closedness").unlink()
    for name, mode in (("file", 0), ("closed", 0), ("listed", 0o444)):
        (tmp_path / name).chmod(mode)
    monkeypatch.chdir(tmp_path)  # directories above are private
    with unprivileged_owner(tmp_path):
        found = scratch_changes(Path(), before)
    assert found == ScratchChanges(
        FileChanges({}, frozenset({"closedness"})),
        tuple(f"{name} (no permission to read it)" for name in ("closed", "file", "listed")),
    )


def test_directories_below_the_deepest_path_are_not_kept(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*"d" * 31)
    (deepest / "d" / "d").mkdir(parents=True)
    (deepest / "file").touch()
    (deepest / "d" / "file").touch()
    found = scratch_changes(tmp_path, FileSnapshot())
    assert set(found.changes.written) == {"d/" * 31 + "file"}
    assert len(found.not_kept) == 2
