"""Store large payloads in a directory; Temporal's history holds only references to them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from agentkit.errors import OpspawnError

__all__ = ["DirectoryStorageDriver", "PayloadStorageFailed", "storage_failure_in"]

_READ_FAILURE = "Stored payload "
"""How each message about a payload that can't be read begins."""
_WRITE_FAILURE = "A payload can't be stored in "


class PayloadStorageFailed(OpspawnError):
    """A payload can't be read from its file, or written to it. The message names the place and what to check."""


def storage_failure_in(message: str) -> str | None:
    """Return the message of a ``PayloadStorageFailed`` that a worker's ``message`` ends with; None: it has none.

    Temporal passes a worker's messages on, and not their types.
    """
    starts = [message.find(start) for start in (_READ_FAILURE, _WRITE_FAILURE) if start in message]
    return message[min(starts) :] if starts else None


class DirectoryStorageDriver(StorageDriver):
    """Stores each payload in a file named by its SHA-256: once, atomically, and verified on reading."""

    def __init__(self, directory: Path) -> None:
        """Store files under ``directory``, created when needed. API and workers must share it."""
        self._directory = directory.absolute()

    def name(self) -> str:
        """Return the name that is stored in histories; it must not change."""
        return "opspawn.directory"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Write each payload that isn't stored yet; return a claim for each.

        Raises:
            PayloadStorageFailed: a file can't be written.
        """
        return [await asyncio.to_thread(self._write, payload.SerializeToString()) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return the payload of each claim.

        Raises:
            PayloadStorageFailed: a file is missing, can't be read, or isn't what was stored.
        """
        return [await asyncio.to_thread(self._read, claim.claim_data["sha256"]) for claim in claims]

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest

    def _write(self, data: bytes) -> StorageDriverClaim:
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if not path.exists():
                _write_file(path, data)
        except OSError as error:
            raise PayloadStorageFailed(
                f"{_WRITE_FAILURE}{self._directory} ({error.strerror or error}). Check that this process "
                "may write there, and that the disk has space."
            ) from error
        return StorageDriverClaim(claim_data={"sha256": digest})

    def _read(self, digest: str) -> Payload:
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PayloadStorageFailed(
                f"{_READ_FAILURE}{path} is missing: it was written to another directory, or deleted. Check that the "
                "API and all workers use the same data_dir (OPSPAWN_DATA_DIR)."
            ) from error
        except OSError as error:
            raise PayloadStorageFailed(
                f"{_READ_FAILURE}{path} can't be read ({error.strerror or error}). Check its permissions, and "
                "those of its directory."
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise PayloadStorageFailed(
                f"{_READ_FAILURE}{path} is damaged: its content has changed. Restore the file from a backup."
            )
        return Payload.FromString(data)


def _write_file(path: Path, data: bytes) -> None:
    """Write a file at once: a reader never finds a part of it, and nothing is left of a failed attempt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(path)
