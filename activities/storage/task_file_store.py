"""Store the files of tasks beside their payloads: each content once, and a manifest of a task's files.

In a task's directory of payloads, ``files/`` has the contents, each named by its SHA-256, and ``manifest-N.json``. A
change writes contents first and then the next manifest, which only one process can create: so readers never see a part
of a change, and of two changes at once the later one is applied to the result of the earlier one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from pydantic import Field

from activities.private_files import make_private_directory
from activities.settings import Settings
from activities.temporal.client import temporal_namespace
from activities.temporal.payload_storage import FILES_DIRECTORY, payload_directory, write_owner
from agentkit.errors import FilesChanged, ToolError
from agentkit.interfaces import FileChanges, FileLimits, FileSnapshot, NewFile, TaskFile
from agentkit.records import Record

__all__ = ["TaskFileStore", "task_file_store"]

_MANIFEST = re.compile(r"manifest-(\d{8})\.json")
_KEPT_RESULTS = 50
"""The most calls whose results are kept for another attempt of theirs, which follows soon."""
_MAX_ATTEMPTS = 100
_UNUSED_S = 600.0
"""Contents stay this long after the newest manifest referred to them: a reader of an earlier one may need them, or a
change that is under way."""
_OLD_MANIFEST_S = 60.0
"""Manifests that have a later one stay this long: a process that has read one must not be able to create the next."""
_THREADS = 4

_T = TypeVar("_T")


def task_file_store(settings: Settings) -> TaskFileStore:
    """Return the files of the tasks in the namespace that this process uses."""
    limits = FileLimits(total_bytes=settings.task_files_bytes)
    return TaskFileStore(settings.data_dir / "payloads", temporal_namespace(), limits)


class _Manifest(Record):
    """The files of a task, and the calls that changed them."""

    version: int = 0
    files: dict[str, TaskFile] = Field(default_factory=dict)
    results: dict[str, str] = Field(default_factory=dict)
    """The SHA-256 of the result of each of the latest calls, by its key; the latest last."""

    def contents(self) -> set[str]:
        """Return the SHA-256 of all contents that it refers to."""
        return {file.sha256 for file in self.files.values()} | set(self.results.values())

    def snapshot(self) -> FileSnapshot:
        return FileSnapshot(version=self.version, files=tuple(self.files[path] for path in sorted(self.files)))


class TaskFileStore:
    """The files of tasks, in a directory that workers and API share."""

    def __init__(self, directory: Path, namespace: str, limits: FileLimits = FileLimits()) -> None:  # noqa: B008  frozen
        """Use ``directory``, which has the payloads of all tasks."""
        self._directory = directory
        self._namespace = namespace
        self._limits = limits
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="task-files")

    async def snapshot(self, task_id: str) -> FileSnapshot:
        """Return the files of a task."""
        return (await self._run(lambda: _read_manifest(self._files(task_id)))).snapshot()

    async def earlier_result(self, task_id: str, key: str) -> str | None:
        """Return the result that a call with this key published."""
        files = self._files(task_id)
        return await self._run(lambda: _earlier_result(files, _read_manifest(files), key))

    async def publish(
        self,
        task_id: str,
        key: str,
        changes: FileChanges,
        result: Callable[[FileSnapshot, FileSnapshot], str],
        *,
        expected_version: int | None = None,
    ) -> str:
        """Apply changes, and keep the call's result with them."""
        return await self._run(lambda: self._publish(task_id, key, changes, result, expected_version))

    async def read(self, task_id: str, file: TaskFile) -> bytes:
        """Return the content of a file."""
        return await self._run((self._files(task_id) / file.sha256).read_bytes)

    def stored_path(self, task_id: str, file: TaskFile) -> Path | None:
        """Return where the content of a file of a snapshot is; None: it was changed or deleted some time ago."""
        path = self._files(task_id) / file.sha256
        return path if path.is_file() else None

    async def restore(self, task_id: str, directory: Path) -> FileSnapshot:
        """Write all files of a task into an empty directory; a cancelled call returns after its thread has stopped."""
        stopped = threading.Event()
        restoring = asyncio.ensure_future(self._run(lambda: _restore(self._files(task_id), directory, stopped)))
        try:
            return await asyncio.shield(restoring)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.gather(restoring, return_exceptions=True)
            raise

    async def _run(self, function: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _files(self, task_id: str) -> Path:
        return self._directory / payload_directory(self._namespace, task_id) / FILES_DIRECTORY

    def _publish(
        self,
        task_id: str,
        key: str,
        changes: FileChanges,
        result: Callable[[FileSnapshot, FileSnapshot], str],
        expected_version: int | None,
    ) -> str:
        files = self._files(task_id)
        make_private_directory(files)
        write_owner(files.parent, self._namespace, task_id)
        written = {path: _store(files, path, file) for path, file in changes.written.items()}
        for _ in range(_MAX_ATTEMPTS):
            before = _read_manifest(files)
            if (earlier := _earlier_result(files, before, key)) is not None:
                return earlier
            if expected_version not in (None, before.version):
                raise FilesChanged(f"version {before.version}, expected {expected_version}")
            changed = self._changed(before, written, changes.deleted)
            text = result(before.snapshot(), changed.snapshot())
            digest = _store(files, "result", NewFile(text.encode())).sha256
            kept = dict(list(before.results.items())[1 - _KEPT_RESULTS :]) | {key: digest}
            following = changed.model_copy(update={"results": kept})
            for unused in before.contents() - following.contents():
                _set_used(files / unused)
            if _create_manifest(files, following):
                _delete_unused(files)
                return text
        raise OSError(f"{files} is changed too often at once")

    def _changed(self, before: _Manifest, written: Mapping[str, TaskFile], deleted: frozenset[str]) -> _Manifest:
        """Return the next manifest.

        Raises:
            ToolError: its files exceed the limits.
        """
        files = {path: file for path, file in before.files.items() if path not in deleted}
        for path, file in written.items():
            old = files.get(path)
            if old is None or (old.sha256, old.executable) != (file.sha256, file.executable):
                _make_room(files, path)
                files[path] = file
        size, limits = sum(file.size for file in files.values()), self._limits
        if size > limits.total_bytes or len(files) > limits.count:
            raise ToolError(
                f"The task's files would be {len(files):,} with {size:,} bytes; {limits.count:,} files with "
                f"{limits.total_bytes:,} bytes are the most. Nothing was kept: write less, or delete files."
            )
        return before.model_copy(update={"version": before.version + 1, "files": files})


def _make_room(files: dict[str, TaskFile], path: str) -> None:
    """Remove the files that can't be beside one at ``path``: those below it, and one that is a part of it."""
    for parent in PurePosixPath(path).parents:
        files.pop(str(parent), None)
    for below in [other for other in files if other.startswith(f"{path}/")]:
        del files[below]


def _read_manifest(files: Path) -> _Manifest:
    while True:
        newest = _newest_manifest(files)
        if newest is None:
            return _Manifest()
        with suppress(FileNotFoundError):  # a newer one has just replaced it
            return _Manifest.model_validate_json(newest.read_bytes())


def _newest_manifest(files: Path) -> Path | None:
    try:
        names = os.listdir(files)
    except FileNotFoundError:
        return None
    newest = max((name for name in names if _MANIFEST.fullmatch(name)), default=None)
    return files / newest if newest is not None else None


def _manifest_name(version: int) -> str:
    return f"manifest-{version:08}.json"


def _create_manifest(files: Path, manifest: _Manifest) -> bool:
    """Create the file of a manifest; return False if another process has created one of its version."""
    path = files / _manifest_name(manifest.version)
    with tempfile.NamedTemporaryFile(dir=files, prefix="new-", delete=False) as file:
        file.write(manifest.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(file.name, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(file.name)
    return True


def _earlier_result(files: Path, manifest: _Manifest, key: str) -> str | None:
    digest = manifest.results.get(key)
    return (files / digest).read_text() if digest is not None else None


def _store(files: Path, path: str, file: NewFile) -> TaskFile:
    """Store a content, unless it is there already."""
    with tempfile.NamedTemporaryFile(dir=files, prefix="new-", delete=False) as copy:
        try:
            digest, size = _copy(file.content, copy)
            target = files / digest
            if _set_used(target):
                Path(copy.name).unlink()
            else:
                copy.flush()
                os.fsync(copy.fileno())
                Path(copy.name).replace(target)
        except BaseException:
            Path(copy.name).unlink(missing_ok=True)
            raise
    return TaskFile(
        path=path, sha256=digest, size=size, modified_at=_modified_at(file.content), executable=file.executable
    )


def _set_used(content: Path) -> bool:
    """Record that a stored content is used now; return False if it isn't there."""
    try:
        os.utime(content)
    except FileNotFoundError:
        return False
    return True


def _copy(content: bytes | Path, target: IO[bytes]) -> tuple[str, int]:
    """Write a content, and return its SHA-256 and its size."""
    if isinstance(content, bytes):
        target.write(content)
        return hashlib.sha256(content).hexdigest(), len(content)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(content, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
        while part := source.read(2**20):
            digest.update(part)
            target.write(part)
            size += len(part)
    return digest.hexdigest(), size


def _modified_at(content: bytes | Path) -> datetime:
    seconds = time.time() if isinstance(content, bytes) else content.lstat().st_mtime
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):  # a program may set any time
        return datetime.now(UTC)


def _restore(files: Path, directory: Path, stopped: threading.Event) -> FileSnapshot:
    for _ in range(_MAX_ATTEMPTS):
        manifest = _read_manifest(files)
        with suppress(FileNotFoundError):  # contents of an older manifest have been deleted meanwhile
            for path, file in manifest.files.items():
                if stopped.is_set():
                    break
                target = directory / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(files / file.sha256, target)
                target.chmod(0o755 if file.executable else 0o644)
                seconds = file.modified_at.timestamp()
                os.utime(target, (seconds, seconds))
            return manifest.snapshot()
        shutil.rmtree(directory)
        directory.mkdir(mode=0o700)
    raise OSError(f"{files} is changed too often at once")


def _delete_unused(files: Path) -> None:
    """Delete older manifests, and contents that were not used for a while and that no manifest refers to."""
    newest = _read_manifest(files)
    used = newest.contents()
    now = time.time()
    for name in os.listdir(files):
        path, is_manifest = files / name, _MANIFEST.fullmatch(name) is not None
        is_used = name == _manifest_name(newest.version) or name in used
        with suppress(FileNotFoundError):
            if not is_used and now - path.stat().st_mtime > (_OLD_MANIFEST_S if is_manifest else _UNUSED_S):
                path.unlink()
