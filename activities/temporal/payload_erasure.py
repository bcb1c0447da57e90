"""Erase the stored payloads and files of a workflow, in the directory and in S3."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from temporalio.client import Client

from activities.temporal.payload_storage import PayloadStorageFailed, external_storage_of, payload_directory
from activities.temporal.s3_storage import S3PayloadStorage

__all__ = ["PayloadErasure"]


class PayloadErasure:
    """Erases by workflow ids: what a workflow stored is its own, and no other workflow's history refers to it."""

    def __init__(self, client: Client, directory: Path) -> None:
        """Erase in ``directory``, which has the payloads of all tasks, and in the bucket that the client uses, if any.

        Raises:
            ValueError: the client has no payload storage.
        """
        self._namespace = client.namespace
        self._directory = directory
        self._buckets = [
            driver for driver in external_storage_of(client).drivers if isinstance(driver, S3PayloadStorage)
        ]

    async def erase(self, workflow_id: str) -> None:
        """Erase all payloads, results and files of a workflow; those that are gone already are no error.

        Raises:
            PayloadStorageFailed: some can't be erased. Trying again is safe.
        """
        for bucket in self._buckets:
            await bucket.erase(self._namespace, workflow_id)
        own = self._directory / payload_directory(self._namespace, workflow_id)
        await asyncio.to_thread(_erase_directory, own)


def _erase_directory(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        if directory.exists():  # another process erases it, too
            _erase_directory(directory)
    except OSError as error:
        raise PayloadStorageFailed(
            f"{directory} can't be erased ({error.strerror or error}). Check that this process may write there."
        ) from error
