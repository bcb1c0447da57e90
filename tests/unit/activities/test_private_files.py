from __future__ import annotations

from pathlib import Path

from activities.private_files import make_private_directory


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_missing_directories_are_private_and_existing_ones_stay_as_they_are(tmp_path: Path) -> None:
    existing = tmp_path / "existing"
    existing.mkdir(mode=0o755)
    before = mode(existing)
    make_private_directory(existing / "a" / "b")
    make_private_directory(existing)
    assert (mode(existing), mode(existing / "a"), mode(existing / "a" / "b")) == (before, 0o700, 0o700)
