"""The files of tasks: changed at once or not at all, by any number of workers, and each content stored once."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest

from activities.storage.task_file_store import TaskFileStore
from activities.temporal.payload_storage import FILES_DIRECTORY, OWNER_FILE
from agentkit.errors import FilesChanged, ToolError
from agentkit.interfaces import FileChanges, FileLimits, FileSnapshot, NewFile
from tests.polling import eventually


def store(path: Path, **limits: int) -> TaskFileStore:
    return TaskFileStore(path, "default", FileLimits.model_validate(limits))


def written(**files: str | bytes) -> FileChanges:
    return FileChanges(
        {name: NewFile(text.encode() if isinstance(text, str) else text) for name, text in files.items()}
    )


def report(before: FileSnapshot, after: FileSnapshot) -> str:
    return f"{len(before.files)} to {len(after.files)}"


def stored(path: Path, pattern: str) -> list[Path]:
    return list(path.glob(pattern))


def contents(path: Path) -> set[str]:
    return {file.name for file in path.glob(f"*/*/{FILES_DIRECTORY}/*") if len(file.name) == 64}


async def test_a_task_without_files_has_none_and_no_directory(tmp_path: Path) -> None:
    assert await store(tmp_path).snapshot("t1") == FileSnapshot()
    assert stored(tmp_path, "*") == []


async def test_what_one_worker_stores_another_reads(tmp_path: Path) -> None:
    changes = FileChanges({"a.txt": NewFile(b"one"), "bin/run": NewFile(b"two", executable=True)})
    assert await store(tmp_path).publish("t1", "c1", changes, report) == "0 to 2"
    other = store(tmp_path)
    snapshot = await other.snapshot("t1")
    assert [(file.path, file.size, file.executable) for file in snapshot.files] == [
        ("a.txt", 3, False),
        ("bin/run", 3, True),
    ]
    assert await other.read("t1", snapshot.files[0]) == b"one"
    directory = tmp_path / "scratch"
    directory.mkdir()
    assert await other.restore("t1", directory) == snapshot
    assert (directory / "bin" / "run").read_bytes() == b"two"
    assert os.access(directory / "bin" / "run", os.X_OK)
    assert await other.snapshot("t2") == FileSnapshot()


async def test_the_same_call_again_changes_nothing_and_has_the_same_result(tmp_path: Path) -> None:
    first = await store(tmp_path).publish("t1", "c1", written(a="1"), report)
    assert await store(tmp_path).publish("t1", "c1", written(a="2", b="3"), report) == first
    assert await store(tmp_path).earlier_result("t1", "c1") == first
    assert await store(tmp_path).earlier_result("t1", "c2") is None
    assert (await store(tmp_path).snapshot("t1")).version == 1


async def test_changes_of_many_calls_at_once_are_all_applied(tmp_path: Path) -> None:
    stores = [store(tmp_path) for _ in range(4)]
    await asyncio.gather(
        *(stores[n % 4].publish("t1", f"c{n}", written(**{f"f{n}": str(n)}), report) for n in range(40))
    )
    snapshot = await stores[0].snapshot("t1")
    assert {file.path for file in snapshot.files} == {f"f{n}" for n in range(40)}
    assert snapshot.version == 40


async def test_a_change_of_an_expected_version_is_refused_after_another(tmp_path: Path) -> None:
    files = store(tmp_path)
    await files.publish("t1", "c1", written(a="1"), report)
    with pytest.raises(FilesChanged):
        await files.publish("t1", "c2", written(a="2"), report, expected_version=0)
    assert await files.earlier_result("t1", "c2") is None


async def test_a_change_beyond_the_limits_changes_nothing(tmp_path: Path) -> None:
    files = store(tmp_path, total_bytes=10, count=2)
    await files.publish("t1", "c1", written(a="12345"), report)
    for changes in (written(b="123456"), written(b="1", c="2")):
        with pytest.raises(ToolError, match="Nothing was kept"):
            await files.publish("t1", "c2", changes, report)
    assert [file.path for file in (await files.snapshot("t1")).files] == ["a"]
    deleted = FileChanges(written(b="123456").written, frozenset({"a"}))
    assert await files.publish("t1", "c3", deleted, report) == "1 to 1"


async def test_a_file_takes_the_place_of_a_directory_and_the_other_way_round(tmp_path: Path) -> None:
    files = store(tmp_path)
    await files.publish("t1", "c1", FileChanges({"a/b/c": NewFile(b"1"), "x": NewFile(b"2")}), report)
    await files.publish("t1", "c2", FileChanges({"a/b": NewFile(b"3"), "x/y": NewFile(b"4")}), report)
    assert [file.path for file in (await files.snapshot("t1")).files] == ["a/b", "x/y"]


async def test_a_link_is_never_followed(tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.write_text("x")
    link.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        await store(tmp_path / "data").publish("t1", "c1", FileChanges({"a": NewFile(link)}), report)
    assert await store(tmp_path / "data").snapshot("t1") == FileSnapshot()


async def test_a_change_that_failed_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await store(tmp_path).publish("t1", "c1", FileChanges({"a": NewFile(tmp_path / "nothing")}), report)
    assert stored(tmp_path, f"*/*/{FILES_DIRECTORY}/*") == []


async def test_the_directory_of_the_task_has_its_owner(tmp_path: Path) -> None:
    await store(tmp_path).publish("t1", "c1", written(a="1"), report)
    assert len(stored(tmp_path, f"*/*/{OWNER_FILE}")) == 1


async def test_contents_that_are_no_longer_used_are_deleted_later(tmp_path: Path) -> None:
    files = store(tmp_path)
    await files.publish("t1", "c1", written(a="old"), report)
    before = contents(tmp_path)
    await files.publish("t1", "c2", written(a="new"), report)
    assert before < contents(tmp_path), "another worker may need them in this moment"
    for path in stored(tmp_path, f"*/*/{FILES_DIRECTORY}/*"):
        os.utime(path, (0, 0))
    await files.publish("t1", "c3", written(b="more"), report)
    snapshot = await files.snapshot("t1")
    assert {file.sha256 for file in snapshot.files} <= contents(tmp_path)
    assert len(contents(tmp_path)) == 5  # two files, and the results of three calls
    assert len(stored(tmp_path, f"*/*/{FILES_DIRECTORY}/manifest-*")) == 1


async def test_a_content_that_was_in_use_for_long_stays_for_the_readers_of_an_earlier_snapshot(tmp_path: Path) -> None:
    files = store(tmp_path)
    await files.publish("t1", "c1", written(a="old"), report)
    for path in stored(tmp_path, f"*/*/{FILES_DIRECTORY}/*"):
        os.utime(path, (0, 0))
    earlier = (await files.snapshot("t1")).files[0]
    await files.publish("t1", "c2", written(a="new"), report)
    assert await files.read("t1", earlier) == b"old"


async def test_a_cancelled_restore_writes_nothing_after_it_has_raised(tmp_path: Path) -> None:
    files, directory = store(tmp_path / "data"), tmp_path / "scratch"
    many = FileChanges({f"{number}/file": NewFile(b"x") for number in range(900)})
    await files.publish("t1", "c1", many, report)
    directory.mkdir()
    restoring = asyncio.create_task(files.restore("t1", directory))
    await eventually((directory / "0").exists)
    restoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await restoring
    shutil.rmtree(directory, ignore_errors=True)
    every_thread = threading.Barrier(4, timeout=30)

    def wait_for_others(before: FileSnapshot, after: FileSnapshot) -> str:
        every_thread.wait()
        return ""

    await asyncio.gather(*(files.publish(f"other-{n}", "c1", written(a="1"), wait_for_others) for n in range(4)))
    assert not directory.exists()
