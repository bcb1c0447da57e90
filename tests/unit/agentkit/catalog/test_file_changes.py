from __future__ import annotations

import logging
import queue
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from agentkit.catalog.file_changes import ChangeWatcher, FileVersions, file_version


class Watched:
    """A directory of which all files are watched, and the changes that were noticed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.changes: queue.Queue[set[str]] = queue.Queue()
        self.fails = False
        self.watcher = ChangeWatcher(self.versions, self.on_change)

    def versions(self) -> FileVersions:
        return {path: file_version(path) for path in self.directory.iterdir()}

    def on_change(self, changed: Collection[Path]) -> None:
        self.changes.put({path.name for path in changed})
        if self.fails:
            raise ValueError("the file is broken")

    def next_change(self) -> set[str]:
        return self.changes.get(timeout=30)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "a").write_text("one")
    watched = Watched(tmp_path)
    yield watched
    watched.watcher.stop()


def test_the_version_of_a_file_changes_with_its_content_and_is_none_without_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    before = file_version(tmp_path / "a")
    (tmp_path / "a").write_text("other")
    assert file_version(tmp_path / "a") != before
    assert file_version(tmp_path / "b") is None


def test_changed_new_and_deleted_files_are_noticed(watched: Watched) -> None:
    (watched.directory / "a").write_text("changed")
    assert watched.next_change() == {"a"}
    (watched.directory / "b").write_text("new")
    assert watched.next_change() == {"b"}
    (watched.directory / "a").unlink()
    assert watched.next_change() == {"a"}
    assert watched.changes.empty()


def test_a_file_that_is_made_while_a_change_is_loaded_is_noticed_afterwards(tmp_path: Path) -> None:
    changes: queue.Queue[set[str]] = queue.Queue()

    def load(changed: Collection[Path]) -> None:
        (tmp_path / "b").touch()
        changes.put({path.name for path in changed})

    watcher = ChangeWatcher(lambda: {path: file_version(path) for path in tmp_path.iterdir()}, load)
    try:
        (tmp_path / "a").write_text("new")
        assert changes.get(timeout=30) == {"a"}
        assert changes.get(timeout=30) == {"b"}
    finally:
        watcher.stop()


def test_what_happens_to_a_file_while_a_change_is_loaded_is_noticed_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    changes: queue.Queue[set[str]] = queue.Queue()

    def load(changed: Collection[Path]) -> None:
        if (tmp_path / "a").exists():
            (tmp_path / "a").unlink()
            (tmp_path / "b").write_text("other")
        changes.put({path.name for path in changed})

    (tmp_path / "b").write_text("two")
    watcher = ChangeWatcher(lambda: {path: file_version(path) for path in tmp_path.iterdir()}, load)
    try:
        (tmp_path / "c").write_text("new")
        assert changes.get(timeout=30) == {"c"}
        assert changes.get(timeout=30) == {"a", "b"}
    finally:
        watcher.stop()


def test_changes_are_noticed_after_one_could_not_be_loaded(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.fails = True
    with caplog.at_level(logging.ERROR):
        (watched.directory / "a").write_text("changed")
        assert watched.next_change() == {"a"}
        (watched.directory / "b").write_text("new")
        assert watched.next_change() == {"b"}
    assert "the file is broken" in caplog.text


def test_nothing_is_noticed_after_it_was_stopped(watched: Watched) -> None:
    watched.watcher.stop()
    (watched.directory / "a").write_text("changed")
    with pytest.raises(queue.Empty):
        watched.changes.get(timeout=0.6)
