"""Encrypt payloads: Temporal, its Web UI, payload storage and their backups hold ciphertext."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, SerializationContext, WithSerializationContext

from activities.temporal.encryption.encrypted_payloads import (
    ENCRYPTED,
    KEY_ID_METADATA,
    NO_CONTENT_METADATA,
    context_reference,
    erased_payload,
    key_missing,
    tenant_key_reference,
)
from activities.temporal.encryption.payload_cipher import PayloadCipher
from activities.temporal.encryption.tenant_encryption_keys import TenantEncryptionKeys

__all__ = ["PayloadEncryption"]


class PayloadEncryption(PayloadCodec, WithSerializationContext):
    """Encrypts payloads with the key that the id of their workflow names, else with the first of all keys.

    The id of the key is in the metadata, so that any payload can be decrypted without its workflow. Payloads that
    aren't encrypted are read as they are, so that encryption can be turned on while tasks run. A ``KeyedCodec``.
    """

    def __init__(self, keys: Mapping[str, SecretStr], tenant_keys: TenantEncryptionKeys) -> None:
        """``keys`` are those of ``Settings.encryption_keys``: at least one."""
        self._ciphers = {
            key_id.encode(): PayloadCipher(key_id, base64.b64decode(key.get_secret_value()))
            for key_id, key in keys.items()
        }
        self._first = next(iter(self._ciphers.values()))
        self._reference: str | None = None
        self.tenant_keys = tenant_keys

    def with_context(self, context: SerializationContext) -> Self:
        """Return the codec for the payloads of a workflow or activity."""
        reference = context_reference(context)
        if reference == self._reference:
            return self
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound._reference = reference
        return bound

    async def id_suffix(self, tenant: str, user: str | None, *, create: bool = True) -> str:
        """Return the end of the id of a new workflow, by which its payloads get their key; see ``KeyedCodec``."""
        return await self.tenant_keys.id_suffix(tenant, user, create=create)

    async def are_used(self) -> bool:
        """Return whether ids of workflows may have such ends."""
        return await self.tenant_keys.are_used()

    async def is_destroyed(self, reference: str) -> bool:
        """Return whether a tenant's key was destroyed."""
        return await self.tenant_keys.cipher(reference) is None

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return each payload encrypted. What is written after its key was destroyed is erased at once.

        Raises:
            PayloadStorageFailed: a tenant's key can't be read.
        """
        cipher = self._first if self._reference is None else await self.tenant_keys.cipher(self._reference)
        return [await self._encrypted(payload, cipher) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return each payload decrypted; those that aren't encrypted unchanged, and erased ones as such.

        Raises:
            PayloadUndecryptable: a key is missing, or isn't the one that it was encrypted with.
            PayloadStorageFailed: a tenant's key can't be read.
        """
        return [await self._decrypted(payload) for payload in payloads]

    async def _encrypted(self, payload: Payload, cipher: PayloadCipher | None) -> Payload:
        if NO_CONTENT_METADATA in payload.metadata:
            return await self._first.encrypt(payload)
        return erased_payload() if cipher is None else await cipher.encrypt(payload)

    async def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCRYPTED:
            return payload
        cipher = self._ciphers.get(payload.metadata.get(KEY_ID_METADATA, b""))
        if cipher is None:
            reference = tenant_key_reference(payload)
            if reference is None:
                raise key_missing(payload)
            cipher = await self.tenant_keys.cipher(reference)
        return erased_payload() if cipher is None else await cipher.decrypt(payload)
