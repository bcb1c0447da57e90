"""Keep small files of keys where API and all workers find them, in a directory; no change of one is lost."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from activities.private_files import make_private_directory
from activities.temporal.payload_storage import PARTIAL_PREFIX, READ_FAILURE, WRITE_FAILURE, PayloadStorageFailed

__all__ = ["KEY_FILES_DIRECTORY", "DirectoryKeyFiles", "KeyFile", "KeyFiles"]

KEY_FILES_DIRECTORY = "tenant-keys"
"""Name of the directory below ``data_dir``, and of the folder in a bucket."""
_LOCK_FILE = ".lock"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What is in a file, and which version of it that is."""

    data: bytes
    version: str


class KeyFiles(Protocol):
    """Files by their names, which several processes read and change. Each method may raise PayloadStorageFailed."""

    @property
    def location(self) -> str:
        """Where they are, for people."""

    async def read(self, name: str) -> KeyFile | None:
        """Return a file; None: there is none of this name."""

    async def create(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one of this name; return whether it was written. Of two processes, one does."""

    async def replace(self, name: str, data: bytes, version: str) -> bool:
        """Write a file again unless it has another version by now; return whether it was written."""

    async def names(self) -> list[str]:
        """Return the names of all files."""


class DirectoryKeyFiles:
    """Files in a directory, which all processes share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()

    @property
    def location(self) -> str:
        """The path of the directory."""
        return str(self._directory)

    async def read(self, name: str) -> KeyFile | None:
        """Return a file; None: there is none of this name."""
        return await self._reading(self._read, name)

    async def create(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one of this name; return whether it was written."""
        return await self._writing(lambda: self._create(name, data))

    async def replace(self, name: str, data: bytes, version: str) -> bool:
        """Write a file again unless it has another version by now; return whether it was written."""
        return await self._writing(lambda: self._replace(name, data, version))

    async def names(self) -> list[str]:
        """Return the names of all files."""
        return await self._reading(self._names, "")

    def _read(self, name: str) -> KeyFile | None:
        try:
            data = (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None
        return KeyFile(data, hashlib.sha256(data).hexdigest())

    def _create(self, name: str, data: bytes) -> bool:
        with self._temporary(data) as path:
            try:
                os.link(path, self._directory / name)  # unlike a renamed file, it never replaces another
            except FileExistsError:
                return False
            _sync(self._directory)
        return True

    def _replace(self, name: str, data: bytes, version: str) -> bool:
        with self._temporary(data) as path:
            current = self._read(name)
            if current is None or current.version != version:
                return False
            path.replace(self._directory / name)
            _sync(self._directory)
        return True

    def _names(self, _: str) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(
                path.name
                for path in self._directory.iterdir()
                if path.name != _LOCK_FILE and not path.name.startswith(PARTIAL_PREFIX)
            )
        return []

    @contextmanager
    def _temporary(self, data: bytes) -> Iterator[Path]:
        """Yield the path of a file with these bytes, on disk, while no other process writes.

        What a killed process left half written is deleted: it may be a key that was destroyed since.
        """
        self._make_directory()
        with (self._directory / _LOCK_FILE).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self._directory.glob(f"{PARTIAL_PREFIX}*"):
                left.unlink(missing_ok=True)
            with self._partial(data) as path:
                yield path

    def _make_directory(self) -> None:
        """Create the directory and its missing parents, on disk."""
        missing = [path for path in (self._directory, *self._directory.parents) if not path.exists()]
        make_private_directory(self._directory)
        for path in missing:
            _sync(path.parent)

    @contextmanager
    def _partial(self, data: bytes) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(dir=self._directory, prefix=PARTIAL_PREFIX, delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                yield Path(file.name)
            finally:
                Path(file.name).unlink(missing_ok=True)

    async def _reading(self, read: Callable[[str], _T], name: str) -> _T:
        try:
            return await asyncio.to_thread(read, name)
        except OSError as error:
            raise PayloadStorageFailed(
                f"{READ_FAILURE}can't be decrypted: {self._directory} has the keys of tenants, and can't be read "
                f"({error.strerror or error}). Check the permissions of the directory and its files."
            ) from error

    async def _writing(self, write: Callable[[], bool]) -> bool:
        try:
            return await asyncio.to_thread(write)
        except OSError as error:
            raise PayloadStorageFailed(
                f"{WRITE_FAILURE}{self._directory}, which keeps the keys of tenants ({error.strerror or error}). Check "
                "that this process may write there, and that the disk has space."
            ) from error


def _sync(directory: Path) -> None:
    """Make the names of a directory's files last through a power failure."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
