"""Store large payloads in a directory; Temporal's history holds only references to them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
    WorkflowSerializationContext,
)

from activities.private_files import make_private_directory
from agentkit.errors import OpspawnError

__all__ = [
    "FILES_DIRECTORY",
    "NO_OWNER",
    "OWNER_FILE",
    "PARTIAL_PREFIX",
    "READ_FAILURE",
    "WRITE_FAILURE",
    "DirectoryStorageDriver",
    "PayloadStorageFailed",
    "encoded_for_storage",
    "external_storage_of",
    "payload_directory",
    "storage_failure_in",
    "write_owner",
]

OWNER_FILE = "owner.json"
"""In each directory of payloads: ``namespace`` and ``workflow_id`` of the workflow whose history refers to them."""
FILES_DIRECTORY = "files"
"""In such a directory: the files of a task, which ``TaskFileStore`` manages."""
PARTIAL_PREFIX = "partial-"
"""Of the name of a file that is being written, or was when its process was killed."""
NO_OWNER = "other"
"""The directory of payloads that belong to no workflow, but to an activity without one: its caller reads them at
once."""

_MAX_THREADS = 8
"""Threads that read and write files, for nothing else: what others block holds up no payload."""

READ_FAILURE = "Stored payload "
"""How each message about a payload that can't be read begins."""
WRITE_FAILURE = "A payload can't be stored in "


class PayloadStorageFailed(OpspawnError):
    """A payload can't be read from its file, or written to it. The message names the place and what to check."""


def storage_failure_in(message: str) -> str | None:
    """Return the message of a ``PayloadStorageFailed`` that a worker's ``message`` ends with; None: it has none.

    Temporal passes a worker's messages on, and not their types.
    """
    starts = [message.find(start) for start in (READ_FAILURE, WRITE_FAILURE) if start in message]
    return message[min(starts) :] if starts else None


def external_storage_of(client: Client) -> ExternalStorage:
    """Return the external storage of a client's data converter.

    Raises:
        ValueError: it has none.
    """
    storage = client.data_converter.external_storage
    if storage is None:
        raise ValueError("The client's data converter has no external storage.")
    return storage


async def encoded_for_storage(
    converter: DataConverter, context: StorageDriverStoreContext, payload: Payload
) -> Payload:
    """Return a payload as the SDK would encode it before it stores it in this context.

    Raises:
        PayloadStorageFailed: the key that it is encrypted with can't be read.
    """
    if converter.payload_codec is None:
        return payload
    owner = context.target
    if isinstance(owner, StorageDriverWorkflowInfo) and owner.id is not None:
        converter = converter.with_context(WorkflowSerializationContext(owner.namespace, owner.id))
    codec = converter.payload_codec
    return payload if codec is None else (await codec.encode([payload]))[0]


def payload_directory(namespace: str, workflow_id: str) -> str:
    """Return the name of the directory of a workflow's payloads, below that of all payloads."""
    digest = hashlib.sha256(f"{namespace}/{workflow_id}".encode()).hexdigest()[:32]
    return f"{digest[:2]}/{digest}"


def write_owner(directory: Path, namespace: str, workflow_id: str) -> None:
    """Write the owner file of a workflow's directory of payloads, unless it is there."""
    path = directory / OWNER_FILE
    if not path.exists():
        _write_file(path, json.dumps({"namespace": namespace, "workflow_id": workflow_id}).encode())


class DirectoryStorageDriver(StorageDriver):
    """Stores each payload in a file named by its SHA-256: once for a workflow, atomically, and verified on reading.

    Each workflow has a directory of its own, so that its payloads can be deleted when Temporal has deleted it.
    """

    def __init__(self, directory: Path) -> None:
        """Store files under ``directory``, created when needed. API and workers must share it."""
        self._directory = directory.absolute()
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="payload")

    def name(self) -> str:
        """Return the name that is stored in histories; it must not change."""
        return "opspawn.directory"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Write each payload that isn't stored yet; return a claim for each.

        Raises:
            PayloadStorageFailed: a file can't be written.
        """
        run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        directory = await run(self._directory_for, context)
        return [await run(self._write, directory, payload.SerializeToString()) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return the payload of each claim.

        Raises:
            PayloadStorageFailed: a file is missing, can't be read, or isn't what was stored.
        """
        run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        return [await run(self._read, claim.claim_data) for claim in claims]

    def _directory_for(self, context: StorageDriverStoreContext) -> str:
        """Return the name of the directory for the workflow of ``context``; created with its owner file."""
        owner = context.target
        if not isinstance(owner, StorageDriverWorkflowInfo) or owner.id is None:
            return NO_OWNER
        name = payload_directory(owner.namespace, owner.id)
        with self._writing():
            write_owner(self._directory / name, owner.namespace, owner.id)
        return name

    def _write(self, directory: str, data: bytes) -> StorageDriverClaim:
        digest = hashlib.sha256(data).hexdigest()
        path = self._directory / directory / digest
        with self._writing():
            if path.exists():
                os.utime(path)  # a collector leaves files alone that were used lately
            else:
                _write_file(path, data)
        return StorageDriverClaim(claim_data={"directory": directory, "sha256": digest})

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PayloadStorageFailed(
                f"{WRITE_FAILURE}{self._directory} ({error.strerror or error}). Check that this process "
                "may write there, and that the disk has space."
            ) from error

    def _read(self, claim: Mapping[str, str]) -> Payload:
        digest = claim["sha256"]
        path = self._directory / claim["directory"] / digest
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PayloadStorageFailed(
                f"{READ_FAILURE}{path} is missing: it was written to another directory, or deleted. Check that the "
                "API and all workers use the same data_dir (OPSPAWN_DATA_DIR)."
            ) from error
        except OSError as error:
            raise PayloadStorageFailed(
                f"{READ_FAILURE}{path} can't be read ({error.strerror or error}). Check its permissions, and "
                "those of its directory."
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise PayloadStorageFailed(
                f"{READ_FAILURE}{path} is damaged: its content has changed. Restore the file from a backup."
            )
        return Payload.FromString(data)


def _write_file(path: Path, data: bytes) -> None:
    """Write a file at once: a reader never finds a part of it, and nothing is left of a failed attempt."""
    make_private_directory(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=PARTIAL_PREFIX, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(path)
