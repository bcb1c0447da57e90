"""Keys of tenants and their users: what is encrypted with one can be erased everywhere by destroying it.

Each is random, and kept in a file of its own, wrapped: encrypted with a key of ``encryption_keys``. To destroy a key is
to replace its file by a tombstone. A key's reference, which is the file's name, stands in the ids of the workflows that
use it. It is an HMAC of tenant, user and generation: processes agree on it, and nobody else can guess whose it is.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr, TypeAdapter, ValidationError

from activities.temporal.encrypted_payloads import TENANT_KEY_PREFIX, PayloadUndecryptable
from activities.temporal.key_files import KeyFiles
from activities.temporal.payload_cipher import PayloadCipher
from activities.temporal.payload_storage import READ_FAILURE
from agentkit.records import Record

__all__ = ["MAX_KEY_AGE_S", "OwnedKey", "TenantEncryptionKeys"]

MAX_KEY_AGE_S = 30.0
"""How long a process uses what it has read of a key. After that it knows that the key was destroyed."""
_MAX_CACHED_KEYS = 1000
_REFERENCE_DIGITS = 20
_NONCE_BYTES = 12
_KEY_BYTES = 32
_K = TypeVar("_K")
_V = TypeVar("_V")
_NAMING_FILE = "naming"
"""The file of the key of the HMAC that makes references."""


class _KeyRecord(Record):
    """What is wrapped: a key, and whose it is."""

    key: str
    """In base64."""
    tenant: str = ""
    user: str | None = None


class _WrappedKey(Record):
    """A file with a key."""

    key_id: str
    """Which of ``encryption_keys`` wraps it."""
    wrapped: str
    """A nonce and the encrypted ``_KeyRecord``, in base64."""


class _Tombstone(Record):
    """A file whose key was destroyed."""

    destroyed_at: str


_STORED: TypeAdapter[_WrappedKey | _Tombstone] = TypeAdapter(_WrappedKey | _Tombstone)


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key that there is, and whose it is."""

    reference: str
    tenant: str
    user: str | None


@dataclass(frozen=True, slots=True)
class _ReadKey:
    cipher: PayloadCipher | None
    """None: the key was destroyed."""
    read_at: float


@dataclass(frozen=True, slots=True)
class _CurrentKey:
    generation: int
    reference: str
    read_at: float


class TenantEncryptionKeys:
    """Finds, creates, rewraps and destroys the keys of tenants and users.

    What was read is used again for ``max_age_s``. Each method may raise PayloadStorageFailed where the files can't be
    read or written, and PayloadUndecryptable where a key can't be unwrapped.
    """

    def __init__(
        self,
        files: KeyFiles,
        keys: Mapping[str, SecretStr],
        *,
        creates: bool,
        max_age_s: float = MAX_KEY_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keys`` are those of ``Settings.encryption_keys``; without ``creates``, new workflows get no own key."""
        self._files = files
        self._wrapping = {key_id: _wrapping_key(key) for key_id, key in keys.items()}
        self._creates = creates
        self._max_age_s = max_age_s
        self._clock = clock
        self._read_keys: dict[str, _ReadKey] = {}
        self._current: dict[tuple[str, str | None], _CurrentKey] = {}
        self._naming_key: bytes | None = None

    @property
    def place(self) -> str:
        """Where the files are, for people."""
        return self._files.place

    async def suffix(self, tenant: str, user: str | None) -> str:
        """Return the end of the id of a new workflow: a dot and the reference of the key of its tenant, or of its user.

        The key is created if there is none, or if the last one was destroyed. Empty where new workflows get none.
        """
        if not self._creates:
            return ""
        known = self._current.get((tenant, user))
        if known is None or self._is_old(known.read_at):
            known = await self._find_current(tenant, user, 1 if known is None else known.generation)
            _remember(self._current, (tenant, user), known)
        return f".{known.reference}"

    async def cipher(self, reference: str) -> PayloadCipher | None:
        """Return what encrypts and decrypts with a key; None: it was destroyed."""
        known = self._read_keys.get(reference)
        if known is None or self._is_old(known.read_at):
            known = _ReadKey(await self._read_cipher(reference), self._clock())
            _remember(self._read_keys, reference, known)
        return known.cipher

    async def owned_by(self, tenant: str, user: str | None = None) -> list[OwnedKey]:
        """Return the keys that there are of a user, or without ``user`` those of a tenant and of all its users."""
        owned = []
        for name in await self._files.names():
            stored = None if name == _NAMING_FILE else await self._read(name)
            if isinstance(stored, _WrappedKey):
                record = self._unwrapped(name, stored)
                if record.tenant == tenant and user in (None, record.user):
                    owned.append(OwnedKey(name, record.tenant, record.user))
        return owned

    async def destroy(self, reference: str) -> None:
        """Replace a key by a tombstone, for good. Other processes know of it after ``max_age_s`` at most."""
        tombstone = _Tombstone(destroyed_at=datetime.now(UTC).isoformat(timespec="seconds"))
        while (file := await self._files.read(reference)) is not None:
            if isinstance(_parsed(reference, file.data), _Tombstone):
                break
            await self._files.replace(reference, tombstone.canonical_json(), file.version)
        self._read_keys.pop(reference, None)
        self._current.clear()

    async def rewrap(self) -> int:
        """Wrap each key with the first of ``encryption_keys``; return how many were wrapped with another one."""
        count = 0
        for name in await self._files.names():
            count += await self._rewrap(name)
        return count

    async def _rewrap(self, name: str) -> bool:
        while (file := await self._files.read(name)) is not None:
            stored = _parsed(name, file.data)
            if isinstance(stored, _Tombstone) or stored.key_id == self._first_id:
                return False
            if await self._files.replace(name, self._wrap(name, self._unwrapped(name, stored)), file.version):
                return True
        return False

    async def _find_current(self, tenant: str, user: str | None, generation: int) -> _CurrentKey:
        while True:
            reference = await self._reference(tenant, user, generation)
            if not isinstance(await self._read_or_create(reference, tenant, user), _Tombstone):
                return _CurrentKey(generation, reference, self._clock())
            generation += 1

    async def _reference(self, tenant: str, user: str | None, generation: int) -> str:
        if self._naming_key is None:
            stored = await self._read_or_create(_NAMING_FILE)
            if isinstance(stored, _Tombstone):
                raise _damaged(_NAMING_FILE)
            self._naming_key = base64.b64decode(self._unwrapped(_NAMING_FILE, stored).key)
        named = json.dumps([tenant, user, generation]).encode()
        return hmac.new(self._naming_key, named, "sha256").hexdigest()[:_REFERENCE_DIGITS]

    async def _read_or_create(self, name: str, tenant: str = "", user: str | None = None) -> _WrappedKey | _Tombstone:
        stored = await self._read(name)
        if stored is None:
            key = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
            await self._files.create(name, self._wrap(name, _KeyRecord(key=key, tenant=tenant, user=user)))
            stored = await self._read(name)  # another process may have been first
        if stored is None:
            raise self._missing(name)
        return stored

    async def _read_cipher(self, reference: str) -> PayloadCipher | None:
        stored = await self._read(reference)
        if stored is None:
            raise self._missing(reference)
        if isinstance(stored, _Tombstone):
            return None
        key = base64.b64decode(self._unwrapped(reference, stored).key)
        return PayloadCipher(f"{TENANT_KEY_PREFIX}{reference}", key)

    async def _read(self, name: str) -> _WrappedKey | _Tombstone | None:
        file = await self._files.read(name)
        return None if file is None else _parsed(name, file.data)

    @property
    def _first_id(self) -> str:
        return next(iter(self._wrapping))

    def _wrap(self, name: str, record: _KeyRecord) -> bytes:
        key_id, nonce = self._first_id, os.urandom(_NONCE_BYTES)
        sealed = self._wrapping[key_id].encrypt(nonce, record.canonical_json(), _authenticated(name, key_id))
        return _WrappedKey(key_id=key_id, wrapped=base64.b64encode(nonce + sealed).decode()).canonical_json()

    def _unwrapped(self, name: str, stored: _WrappedKey) -> _KeyRecord:
        wrapping = self._wrapping.get(stored.key_id)
        if wrapping is None:
            raise PayloadUndecryptable(
                f"{READ_FAILURE}is encrypted with the tenant key {name}, which is wrapped with the key "
                f"{stored.key_id!r}, which this process doesn't have. Add it to encryption_keys "
                "(OPSPAWN_ENCRYPTION_KEYS), and run `opspawn keys rewrap` before you remove it."
            )
        try:
            sealed = base64.b64decode(stored.wrapped, validate=True)
            data = wrapping.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _authenticated(name, stored.key_id))
        except (InvalidTag, ValueError):
            raise PayloadUndecryptable(
                f"{READ_FAILURE}is encrypted with the tenant key {name}, which can't be unwrapped: its file was "
                f"changed, or the key {stored.key_id!r} of encryption_keys (OPSPAWN_ENCRYPTION_KEYS) has other bytes "
                "than the one that it was wrapped with."
            ) from None
        return _KeyRecord.model_validate_json(data)

    def _missing(self, name: str) -> PayloadUndecryptable:
        return PayloadUndecryptable(
            f"{READ_FAILURE}is encrypted with the tenant key {name}, which isn't in {self.place}. Check that the API "
            "and all workers use the same payload_storage (OPSPAWN_PAYLOAD_STORAGE) and data_dir (OPSPAWN_DATA_DIR), "
            "or restore the file from a backup."
        )

    def _is_old(self, read_at: float) -> bool:
        return self._clock() - read_at >= self._max_age_s


def _wrapping_key(key: SecretStr) -> AESGCM:
    """Return what wraps with a key of ``encryption_keys``: not the same key that encrypts payloads."""
    return AESGCM(hmac.digest(base64.b64decode(key.get_secret_value()), b"opspawn tenant keys", "sha256"))


def _authenticated(name: str, key_id: str) -> bytes:
    """Return what unwrapping checks besides: the key in one file isn't accepted in another."""
    return f"{name}\0{key_id}".encode()


def _parsed(name: str, data: bytes) -> _WrappedKey | _Tombstone:
    try:
        return _STORED.validate_json(data)
    except ValidationError:
        raise _damaged(name) from None


def _damaged(name: str) -> PayloadUndecryptable:
    return PayloadUndecryptable(
        f"{READ_FAILURE}is encrypted with the tenant key {name}, whose file is damaged. Restore it from a backup."
    )


def _remember(cache: MutableMapping[_K, _V], key: _K, value: _V) -> None:
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > _MAX_CACHED_KEYS:
        del cache[next(iter(cache))]
