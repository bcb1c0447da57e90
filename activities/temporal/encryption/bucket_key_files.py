"""Keep small files of keys in a bucket, beside the payloads that are stored there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.exceptions import AlreadyExistsError, PreconditionError

from activities.temporal.encryption.key_files import KEY_FILES_DIRECTORY, KeyFile
from activities.temporal.payload_storage import READ_FAILURE, WRITE_FAILURE, PayloadStorageFailed

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["BucketKeyFiles"]

_MAX_REASON_CHARS = 300
_CURE = (
    "Check that the bucket exists, that the credentials of this process (AWS_ACCESS_KEY_ID and so on) allow that, and "
    "that the server knows conditional writes, as S3 does."
)


class BucketKeyFiles:
    """``KeyFiles`` whose names are below ``tenant-keys/``. The server must know conditional writes, as S3 does."""

    def __init__(self, store: S3Store, url: str) -> None:
        self._store = store
        self._url = f"{url.rstrip('/')}/{KEY_FILES_DIRECTORY}"

    @property
    def location(self) -> str:
        """The URL of the folder."""
        return self._url

    async def read(self, name: str) -> KeyFile | None:
        """Return a file; None: there is none of this name."""
        try:
            response = await self._store.get_async(_key(name))
            return KeyFile(bytes(await response.bytes_async()), response.meta["e_tag"] or "")
        except FileNotFoundError:
            return None
        except Exception as error:  # the boundary: obstore has no common error class of its own for all
            raise self._unreadable(error) from error

    async def create(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one of this name; return whether it was written."""
        try:
            await self._store.put_async(_key(name), data, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        except Exception as error:  # the boundary
            raise self._unwritable(error) from error
        return True

    async def replace(self, name: str, data: bytes, version: str) -> bool:
        """Write a file again unless it has another version by now; return whether it was written."""
        try:
            await self._store.put_async(_key(name), data, mode={"e_tag": version})
        except (PreconditionError, FileNotFoundError):
            return False
        except Exception as error:  # the boundary
            raise self._unwritable(error) from error
        return True

    async def names(self) -> list[str]:
        """Return the names of all files."""
        try:
            found = [file["path"] async for page in self._store.list(f"{KEY_FILES_DIRECTORY}/") for file in page]
        except Exception as error:  # the boundary
            raise self._unreadable(error) from error
        return sorted(path.rpartition("/")[2] for path in found)

    def _unreadable(self, error: Exception) -> PayloadStorageFailed:
        return PayloadStorageFailed(
            f"{READ_FAILURE}can't be decrypted: {self._url} has the keys of tenants, and can't be read "
            f"({_reason(error)}). {_CURE}"
        )

    def _unwritable(self, error: Exception) -> PayloadStorageFailed:
        return PayloadStorageFailed(
            f"{WRITE_FAILURE}{self._url}, which keeps the keys of tenants ({_reason(error)}). {_CURE}"
        )


def _key(name: str) -> str:
    return f"{KEY_FILES_DIRECTORY}/{name}"


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:_MAX_REASON_CHARS]
