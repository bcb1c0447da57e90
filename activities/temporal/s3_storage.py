"""Store large payloads in S3, or a server with its API, by Temporal's own S3 driver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from temporalio.api.common.v1 import Payload
from temporalio.contrib.aws.s3driver import S3StorageDriver, S3StorageDriverClient
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from activities.temporal.payload_storage import (
    READ_FAILURE,
    WRITE_FAILURE,
    DirectoryStorageDriver,
    PayloadStorageFailed,
)
from agentkit.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["S3PayloadStorage"]

_MAX_PAYLOAD_BYTES = 128 * 1_048_576
_REQUEST_TIMEOUT = "20s"
_CONNECT_TIMEOUT = "5s"
_RETRY_TIMEOUT = timedelta(seconds=10)


class S3PayloadStorage(S3StorageDriver):
    """Stores payloads in a bucket. Keys, region and endpoint are those of the AWS variables, or of the machine's role.

    It reads what was stored in a directory before, too.
    """

    def __init__(self, url: str, directory: DirectoryStorageDriver) -> None:
        """Prepare requests to ``s3://BUCKET/PREFIX``; none is sent yet.

        Raises:
            ConfigurationInvalid: the extra ``s3`` is not installed, or the environment variables don't fit.
        """
        self._url = url
        self._former = directory
        store = _open_store(url)
        from activities.temporal.encryption.bucket_key_files import BucketKeyFiles  # it imports what the extra installs

        self._bucket_client = _BucketClient(store)
        self.key_files = BucketKeyFiles(store, url)
        super().__init__(self._bucket_client, urlsplit(url).netloc, max_payload_size=_MAX_PAYLOAD_BYTES)

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Write each payload that isn't stored yet; return a claim for each.

        Raises:
            PayloadStorageFailed: one can't be written.
        """
        try:
            return await super().store(context, payloads)
        except (RuntimeError, ValueError) as error:
            raise PayloadStorageFailed(f"{WRITE_FAILURE}{self._url} ({_reason(error)}). {_CURE}") from error

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return the payload of each claim.

        Raises:
            PayloadStorageFailed: one is missing, can't be read, or isn't what was stored.
        """
        if any("bucket" not in claim.claim_data for claim in claims):
            return await self._former.retrieve(context, claims)
        try:
            return await super().retrieve(context, claims)
        except (RuntimeError, ValueError) as error:
            raise PayloadStorageFailed(
                f"{READ_FAILURE}in {self._url} can't be read ({_reason(error)}). {_CURE}"
            ) from error

    async def erase(self, namespace: str, workflow_id: str) -> None:
        """Delete all objects of a workflow, whatever type and run their names have.

        Raises:
            PayloadStorageFailed: some can't be listed or deleted. Trying again is safe.
        """
        own = f"/wi/{_segment(workflow_id)}"
        try:
            for of_type in await self._bucket_client.folders(f"v0/ns/{_segment(namespace)}/wt"):
                await self._bucket_client.delete_below(of_type + own)
        except Exception as error:  # obstore has many
            raise PayloadStorageFailed(
                f"Payloads in {self._url} can't be erased ({_reason(error)}). {_CURE}"
            ) from error


_CURE = (
    "Check that it exists, that the credentials of this process (AWS_ACCESS_KEY_ID and so on) allow that, and that the "
    "API and all workers have the same payload_storage (OPSPAWN_PAYLOAD_STORAGE)."
)
_MAX_REASON_CHARS = 300


class _BucketClient(S3StorageDriverClient):
    """The requests of Temporal's driver, sent by ``obstore``."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        await self._store.put_async(key, data)

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        try:
            await self._store.head_async(key)
        except FileNotFoundError:
            return False
        return True

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        response = await self._store.get_async(key)
        return bytes(await response.bytes_async())

    async def folders(self, prefix: str) -> list[str]:
        """Return the prefixes one level below ``prefix``."""
        return list((await self._store.list_with_delimiter_async(prefix))["common_prefixes"])

    async def delete_below(self, prefix: str) -> None:
        """Delete all objects below a prefix."""
        async for objects in self._store.list(prefix):
            await self._store.delete_async([each["path"] for each in objects])


def _open_store(url: str) -> S3Store:
    parts = urlsplit(url)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise ConfigurationInvalid(
            f"payload_storage = {url!r} needs the extra s3: pip install 'opspawn[s3]', or in a checkout: "
            "make install EXTRAS=s3"
        ) from None
    try:
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"timeout": _REQUEST_TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT, "allow_http": True},
            retry_config={"max_retries": 3, "retry_timeout": _RETRY_TIMEOUT},
        )
    except BaseError as error:
        raise ConfigurationInvalid(f"payload_storage = {url!r}: {_first_line(error)}") from error


def _segment(text: str) -> str:
    """Return a part of a key, as Temporal's driver encodes it."""
    return quote(text, safe="!-_.*'()").replace("~", "%7E")


def _reason(error: Exception) -> str:
    """Return why a request failed: the driver's own error is the cause of it, and names the key."""
    return _first_line(error.__cause__ or error)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:_MAX_REASON_CHARS]
