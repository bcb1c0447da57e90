"""Keys of tenants and their users: what is encrypted with one can be erased everywhere by destroying it.

Each is random, and kept in a file of its own, wrapped: encrypted with a key of ``encryption_keys``. To destroy a key is
to replace its file by a tombstone. A key's reference, which is the file's name, ends the ids of the workflows that
use it. It is an HMAC of tenant, user and generation: processes agree on it, and nobody else can guess whose it is.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr, TypeAdapter, ValidationError

from activities.temporal.encryption.encrypted_payloads import (
    REFERENCE_DIGITS,
    REFERENCE_PATTERN,
    TENANT_KEY_PREFIX,
    PayloadUndecryptable,
)
from activities.temporal.encryption.key_files import KeyFiles
from activities.temporal.encryption.payload_cipher import PayloadCipher
from activities.temporal.payload_storage import READ_FAILURE
from agentkit.records import Record

__all__ = ["MAX_KEY_AGE_S", "KeySearch", "OwnedKey", "TenantEncryptionKeys"]

MAX_KEY_AGE_S = 30.0
"""How long a process uses what it has read of a key. After that it knows that the key was destroyed."""
_MAX_CACHED_KEYS = 1000
_MAX_CONCURRENT_READS = 20
_REFERENCE = re.compile(REFERENCE_PATTERN)
_NONCE_BYTES = 12
_KEY_BYTES = 32
_K = TypeVar("_K")
_V = TypeVar("_V")
_REFERENCE_KEY_FILE = "reference-key"
"""The file of the key of the HMAC that makes references."""


class _KeyRecord(Record):
    """What is wrapped: a key, and whose it is."""

    key: str = ""
    """In base64; none in a tombstone."""
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
    owner: _WrappedKey
    """Whose it was, so that a destruction that was interrupted can be finished."""


_STORED: TypeAdapter[_WrappedKey | _Tombstone] = TypeAdapter(_WrappedKey | _Tombstone)


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key, and whose it is or was."""

    reference: str
    tenant: str
    user: str | None


@dataclass(slots=True)
class KeySearch:
    """The keys of a tenant or user."""

    keys: list[OwnedKey] = field(default_factory=list)
    """Destroyed ones as well."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each file that can't be used, and may be another one."""


@dataclass(frozen=True, slots=True)
class _CachedCipher:
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
        gives_new_workflows_keys: bool,
        max_age_s: float = MAX_KEY_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keys`` are those of ``Settings.encryption_keys``; ``gives_new_workflows_keys`` is ``tenant_keys``."""
        self._files = files
        self._wrapping = {key_id: _wrapping_key(key) for key_id, key in keys.items()}
        self._gives_new_workflows_keys = gives_new_workflows_keys
        self._max_age_s = max_age_s
        self._clock = clock
        self._cached_ciphers: dict[str, _CachedCipher] = {}
        self._current_keys: dict[tuple[str, str | None], _CurrentKey] = {}
        self._reference_key: bytes | None = None

    @property
    def location(self) -> str:
        """Where the files are, for people."""
        return self._files.location

    async def id_suffix(self, tenant: str, user: str | None, *, create: bool = True) -> str:
        """Return the end of the id of a new workflow: a dot and the reference of the key of its tenant, or of its user.

        The key is created if there is none, or if the last one was destroyed. Without ``create``, a user who has none
        gets that of the tenant. Empty: new workflows get no key, or there is none.
        """
        if not self._gives_new_workflows_keys:
            return ""
        cached = self._current_keys.get((tenant, user))
        if cached is None or self._is_old(cached.read_at):
            cached = await self._find_current(tenant, user, 1 if cached is None else cached.generation, create=create)
            if cached is None:
                return "" if user is None else await self.id_suffix(tenant, None, create=False)
            _cache(self._current_keys, (tenant, user), cached)
        return f".{cached.reference}"

    async def are_used(self) -> bool:
        """Return whether ids of workflows may end with references: new ones get them, or older ones have got them."""
        return self._gives_new_workflows_keys or await self._has_reference_key()

    async def cipher(self, reference: str) -> PayloadCipher | None:
        """Return what encrypts and decrypts with a key; None: it was destroyed."""
        cached = self._cached_ciphers.get(reference)
        if cached is None or self._is_old(cached.read_at):
            read_at = self._clock()
            cached = _CachedCipher(await self._read_cipher(reference), read_at)
            _cache(self._cached_ciphers, reference, cached)
        return cached.cipher

    async def owned_by(self, tenant: str, user: str | None = None) -> KeySearch:
        """Return the keys of a user, or without ``user`` those of a tenant and of all its users."""
        if user is not None:
            return await self._owned_by_user(tenant, user)
        search = KeySearch()

        async def add(name: str) -> None:
            stored = None if name == _REFERENCE_KEY_FILE else await self._read(name)
            if stored is not None:
                owner = self._unwrapped(name, stored.owner if isinstance(stored, _Tombstone) else stored)
                if owner.tenant == tenant:
                    search.keys.append(OwnedKey(name, tenant, owner.user))

        search.problems = await self._for_each_file(add)
        return search

    async def destroy(self, key: OwnedKey) -> None:
        """Replace a key by a tombstone, for good. Other processes know of it after ``max_age_s`` at most."""
        reference = key.reference
        tombstone = _Tombstone(
            destroyed_at=datetime.now(UTC).isoformat(timespec="seconds"),
            owner=self._wrap(reference, _KeyRecord(tenant=key.tenant, user=key.user)),
        )
        while (file := await self._files.read(reference)) is not None:
            if isinstance(_parsed(reference, file.data), _Tombstone):
                break
            await self._files.replace(reference, tombstone.canonical_json(), file.version)
        self._cached_ciphers.pop(reference, None)
        self._current_keys.clear()

    async def rewrap(self) -> tuple[int, list[str]]:
        """Wrap each file with the first of ``encryption_keys``. Return how many were wrapped with another one, and a
        sentence for each file that can't be used."""
        rewrapped: list[str] = []

        async def rewrap(name: str) -> None:
            if await self._rewrap(name):
                rewrapped.append(name)

        problems = await self._for_each_file(rewrap)
        return len(rewrapped), problems

    async def _rewrap(self, name: str) -> bool:
        while (file := await self._files.read(name)) is not None:
            stored = _parsed(name, file.data)
            wrapped = stored.owner if isinstance(stored, _Tombstone) else stored
            if wrapped.key_id == self._first_id:
                return False
            rewrapped = self._wrap(name, self._unwrapped(name, wrapped))
            changed = stored.model_copy(update={"owner": rewrapped}) if isinstance(stored, _Tombstone) else rewrapped
            if await self._files.replace(name, changed.canonical_json(), file.version):
                return True
        return False

    async def _owned_by_user(self, tenant: str, user: str) -> KeySearch:
        search = KeySearch()
        if not await self._has_reference_key():
            return search
        for generation in itertools.count(1):
            reference = await self._reference(tenant, user, generation)
            try:
                if await self._read(reference) is None:
                    break
            except PayloadUndecryptable as error:
                search.problems.append(str(error))
            else:
                search.keys.append(OwnedKey(reference, tenant, user))
        return search

    async def _for_each_file(self, process: Callable[[str], Awaitable[None]]) -> list[str]:
        """Process all files with keys, several at once; return a sentence for each that can't be used."""
        problems: list[str] = []
        limit = asyncio.Semaphore(_MAX_CONCURRENT_READS)

        async def process_one(name: str) -> None:
            async with limit:
                try:
                    await process(name)
                except PayloadUndecryptable as error:
                    problems.append(str(error))

        names = await self._files.names()
        files = [name for name in names if name == _REFERENCE_KEY_FILE or _REFERENCE.fullmatch(name)]
        await asyncio.gather(*map(process_one, files))
        return problems

    async def _find_current(
        self, tenant: str, user: str | None, generation: int, *, create: bool
    ) -> _CurrentKey | None:
        """Return the first key from a generation on that wasn't destroyed; None: there is none, without ``create``."""
        if not create and not await self._has_reference_key():
            return None
        while True:
            read_at = self._clock()
            reference = await self._reference(tenant, user, generation)
            stored = await (self._read_or_create(reference, tenant, user) if create else self._read(reference))
            if stored is None:
                return None
            if not isinstance(stored, _Tombstone):
                return _CurrentKey(generation, reference, read_at)
            generation += 1

    async def _has_reference_key(self) -> bool:
        return self._reference_key is not None or await self._files.read(_REFERENCE_KEY_FILE) is not None

    async def _reference(self, tenant: str, user: str | None, generation: int) -> str:
        if self._reference_key is None:
            stored = await self._read_or_create(_REFERENCE_KEY_FILE)
            if isinstance(stored, _Tombstone):
                raise _damaged(_REFERENCE_KEY_FILE)
            self._reference_key = base64.b64decode(self._unwrapped(_REFERENCE_KEY_FILE, stored).key)
        named = json.dumps([tenant, user, generation]).encode()
        return hmac.new(self._reference_key, named, "sha256").hexdigest()[:REFERENCE_DIGITS]

    async def _read_or_create(self, name: str, tenant: str = "", user: str | None = None) -> _WrappedKey | _Tombstone:
        stored = await self._read(name)
        if stored is None:
            key = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
            wrapped = self._wrap(name, _KeyRecord(key=key, tenant=tenant, user=user))
            await self._files.create(name, wrapped.canonical_json())
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

    def _wrap(self, name: str, record: _KeyRecord) -> _WrappedKey:
        key_id, nonce = self._first_id, os.urandom(_NONCE_BYTES)
        sealed = self._wrapping[key_id].encrypt(nonce, record.canonical_json(), _authenticated(name, key_id))
        return _WrappedKey(key_id=key_id, wrapped=base64.b64encode(nonce + sealed).decode())

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
            f"{READ_FAILURE}is encrypted with the tenant key {name}, which isn't in {self.location}. Check that the "
            "API and all workers use the same payload_storage (OPSPAWN_PAYLOAD_STORAGE) and data_dir "
            "(OPSPAWN_DATA_DIR), or restore the file from a backup."
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


def _cache(cache: MutableMapping[_K, _V], key: _K, value: _V) -> None:
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > _MAX_CACHED_KEYS:
        del cache[next(iter(cache))]
