"""The file of API keys: JSON with their hashes, read again whenever it has changed."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from agentkit.access.access_errors import CredentialInvalid, CredentialUncheckable
from agentkit.access.api_keys import ApiKey, key_id
from agentkit.errors import ConfigurationInvalid
from agentkit.records import Record

__all__ = ["MAX_VALID_KEYS", "KeysFile", "change_keys", "read_keys"]

logger = logging.getLogger(__name__)

MAX_VALID_KEYS = 2
"""Valid keys of one name and tenant: the one in use, and the one that replaces it."""

_MAX_BYTES = 16 * 1_048_576
_Version = tuple[int, int, int]


class _Keys(Record):
    keys: tuple[ApiKey, ...] = ()


class KeysFile:
    """Finds keys in a file. A file that can't be read has no valid key: access is refused until it is corrected."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Read the file.

        Raises:
            ConfigurationInvalid: it is missing or wrong; the message says what to do.
        """
        self._path = path
        self._clock = clock
        self._version = _version(path)
        self._keys: Mapping[str, ApiKey] | None = _by_id(read_keys(path, must_exist=True))
        """None: the file can't be read as it is now."""

    def find(self, text: str) -> ApiKey:
        """Return the valid key of this text, by the file as it is now.

        Raises:
            CredentialInvalid: there is none. CredentialUncheckable: the file can't be read.
        """
        keys = self._current()
        identifier = key_id(text)
        if identifier is None:
            raise CredentialInvalid("This is no API key: one begins with opspawn_, and `opspawn keys create` makes it.")
        key = keys.get(identifier)
        if key is None or not key.fits(text):
            raise CredentialInvalid(f"There is no such API key (id {identifier}): it is wrong, or was revoked.")
        if key.has_expired(self._clock()):
            raise CredentialInvalid(f"The API key {identifier} has expired.")
        return key

    def _current(self) -> Mapping[str, ApiKey]:
        version = _version(self._path)
        if version != self._version:
            self._version = version
            try:
                self._keys = _by_id(read_keys(self._path, must_exist=True))
                logger.info("The keys file has changed: it has %d keys", len(self._keys))
            except ConfigurationInvalid as error:
                self._keys = None
                logger.error("No API key is accepted until this is corrected: %s", error)
        if self._keys is None:
            raise CredentialUncheckable("The file of API keys can't be read; the API's log says why.")
        return self._keys


def read_keys(path: Path, *, must_exist: bool = False) -> tuple[ApiKey, ...]:
    """Return the keys of a file, expired ones included; none where there is no file and it need not exist.

    Raises:
        ConfigurationInvalid: it can't be read, or isn't a file of keys.
    """
    create = f"make a key with `OPSPAWN_KEYS_FILE={path} opspawn keys create --name NAME --role ROLE`"
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationInvalid(f"Setting keys_file: there is no file {path}; {create}") from None
        return ()
    except OSError as error:
        raise ConfigurationInvalid(f"Setting keys_file: {error}") from None
    if len(content) > _MAX_BYTES:
        raise ConfigurationInvalid(f"Setting keys_file: {path} is larger than {_MAX_BYTES} bytes")
    try:
        return _Keys.model_validate_json(content).keys
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationInvalid(
            f"Setting keys_file: {path} isn't a file of keys ({place + ': ' if place else ''}{first['msg']}); {create}"
        ) from None


@contextmanager
def change_keys(path: Path) -> Iterator[list[ApiKey]]:
    """Yield the file's keys as a list, and write what the list is in the end, at once and for its owner only.

    Raises:
        ConfigurationInvalid: the file can't be read or written. Nothing has changed then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationInvalid(f"Setting keys_file: {error}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = list(read_keys(path))
        yield keys
        _write(path, _Keys(keys=tuple(keys)).model_dump_json(indent=1, exclude_none=True).encode() + b"\n")
    finally:
        os.close(lock)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as stream:
            if path.exists():  # a group that the API's user is in may have been given access
                os.fchmod(stream.fileno(), path.stat().st_mode & 0o777)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigurationInvalid(f"Setting keys_file: {error}") from None


def _by_id(keys: tuple[ApiKey, ...]) -> Mapping[str, ApiKey]:
    return {key.id: key for key in keys}


def _version(path: Path) -> _Version | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
