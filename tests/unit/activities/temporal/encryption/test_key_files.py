from __future__ import annotations

import os
from pathlib import Path

import pytest

from activities.temporal.encryption.key_files import DirectoryKeyFiles, KeyFile
from activities.temporal.payload_storage import PayloadStorageFailed


async def test_a_file_is_written_once_and_replaced_only_in_the_version_that_was_read(tmp_path: Path) -> None:
    files = DirectoryKeyFiles(tmp_path / "keys")
    assert await files.read("one") is None
    assert await files.names() == []
    assert await files.create("one", b"first")
    assert not await files.create("one", b"second")
    first = await read(files)
    assert first.data == b"first"
    assert await files.replace("one", b"third", first.version)
    assert not await files.replace("one", b"fourth", first.version)
    assert (await read(files)).data == b"third"
    assert not await files.replace("two", b"", "none")
    assert await files.names() == ["one"]


async def test_what_a_killed_process_left_is_no_file_and_deleted_by_the_next_write(tmp_path: Path) -> None:
    files = DirectoryKeyFiles(tmp_path)
    left = tmp_path / "partial-abc"
    left.write_bytes(b"a wrapped key")
    assert await files.names() == []
    assert await files.create("one", b"first")
    assert not left.exists()
    assert set(os.listdir(tmp_path)) == {".lock", "one"}


async def test_a_file_and_new_directories_are_on_disk_when_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            synced.append((path.name, sorted(os.listdir(path))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    assert await DirectoryKeyFiles(tmp_path / "data" / "keys").create("one", b"first")
    assert (tmp_path.name, ["data"]) in synced
    assert ("data", ["keys"]) in synced
    assert any(name == "keys" and "one" in files for name, files in synced)


async def test_only_the_owner_may_read_the_directory(tmp_path: Path) -> None:
    await DirectoryKeyFiles(tmp_path / "keys").create("one", b"first")
    assert (tmp_path / "keys").stat().st_mode & 0o77 == 0
    assert (tmp_path / "keys" / "one").stat().st_mode & 0o77 == 0


async def test_a_place_that_can_not_be_used_is_a_failure_of_storage(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    files = DirectoryKeyFiles(tmp_path / "keys")
    with pytest.raises(PayloadStorageFailed, match="keys of tenants"):
        await files.create("one", b"first")
    with pytest.raises(PayloadStorageFailed, match="can't be read"):
        await files.read("one")


async def read(files: DirectoryKeyFiles) -> KeyFile:
    file = await files.read("one")
    assert file is not None
    return file
