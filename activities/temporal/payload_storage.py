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

__all__ = ["DirectoryStorageDriver"]


class DirectoryStorageDriver(StorageDriver):
    """Stores each payload in a file named by its SHA-256: once, atomically, and verified on reading."""

    def __init__(self, directory: Path) -> None:
        """Store files under ``directory``, created when needed. API and workers must share it."""
        self._directory = directory.absolute()

    def name(self) -> str:
        """Return the name that is stored in histories; it must not change."""
        return "opspawn.directory"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Write each payload that isn't stored yet; return a claim for each."""
        return [await asyncio.to_thread(self._write, payload.SerializeToString()) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return the payload of each claim.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the content of the file has changed.
        """
        return [await asyncio.to_thread(self._read, claim.claim_data["sha256"]) for claim in claims]

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest

    def _write(self, data: bytes) -> StorageDriverClaim:
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        return StorageDriverClaim(claim_data={"sha256": digest})

    def _read(self, digest: str) -> Payload:
        data = self._path(digest).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"Payload {digest} is damaged: the file isn't what was stored")
        return Payload.FromString(data)
