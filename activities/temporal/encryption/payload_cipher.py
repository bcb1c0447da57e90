"""Compress and encrypt single payloads with one key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload

from activities.payload_types import INLINE_METADATA, QUERY_RESULT_METADATA
from activities.temporal.encryption.encrypted_payloads import ENCRYPTED, KEY_ID_METADATA, PayloadUndecryptable
from activities.temporal.payload_storage import READ_FAILURE

__all__ = ["PayloadCipher"]

_COMPRESSION = "compression"
_ZSTD = b"zstd"
_NONCE_BYTES = 12
_MIN_COMPRESSED_BYTES = 512
"""Smaller payloads hardly get smaller."""
_MIN_REPEATABLE_BYTES = 16_384
"""Payloads of this size and more are encrypted to the same bytes each time: payload storage keeps equal ones once."""
_MIN_THREAD_BYTES = 262_144
"""Payloads of this size and more are processed in a thread, so that the event loop isn't held up."""
_MAX_PLAIN_BYTES = 512 * 1_048_576
"""What a payload may have after it was decompressed."""
_COPIED_METADATA = (INLINE_METADATA, QUERY_RESULT_METADATA)
"""Metadata that says where a payload is stored; it holds no content."""


class PayloadCipher:
    """Compresses payloads by zstd, where that helps, and encrypts them by AES-256-GCM.

    The key's id is in the metadata, and is authenticated with the compression.
    """

    def __init__(self, key_id: str, key: bytes) -> None:
        self._key_id = key_id.encode()
        self._aead = AESGCM(key)
        self._nonce_key = hmac.digest(key, b"opspawn nonces", "sha256")

    async def encrypt(self, payload: Payload) -> Payload:
        """Return a payload encrypted."""
        return await _in_thread(self._encrypt, payload)

    async def decrypt(self, payload: Payload) -> Payload:
        """Return the payload that this key's ``encrypt`` was given.

        Raises:
            PayloadUndecryptable: it was changed, or encrypted with another key.
        """
        return await _in_thread(self._decrypt, payload)

    def _encrypt(self, payload: Payload) -> Payload:
        plain = payload.SerializeToString()
        metadata = {"encoding": ENCRYPTED, KEY_ID_METADATA: self._key_id}
        metadata |= {name: payload.metadata[name] for name in _COPIED_METADATA if name in payload.metadata}
        data = plain
        if len(plain) >= _MIN_COMPRESSED_BYTES:
            compressed = zstandard.compress(plain)
            if len(compressed) < len(plain):
                data, metadata[_COMPRESSION] = compressed, _ZSTD
        nonce = self._nonce(plain)
        sealed = self._aead.encrypt(nonce, data, _authenticated(metadata))
        return Payload(metadata=metadata, data=nonce + sealed)

    def _nonce(self, plain: bytes) -> bytes:
        if len(plain) < _MIN_REPEATABLE_BYTES:
            return os.urandom(_NONCE_BYTES)
        return hmac.new(self._nonce_key, plain, hashlib.sha256).digest()[:_NONCE_BYTES]

    def _decrypt(self, payload: Payload) -> Payload:
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            data = self._aead.decrypt(nonce, sealed, _authenticated(payload.metadata))
        except (InvalidTag, ValueError):
            key_id = self._key_id.decode()
            raise PayloadUndecryptable(
                f"{READ_FAILURE}can't be decrypted: it was changed, or the key {key_id!r} of encryption_keys "
                "(OPSPAWN_ENCRYPTION_KEYS) has other bytes than the one that it was encrypted with."
            ) from None
        if payload.metadata.get(_COMPRESSION) == _ZSTD:
            data = zstandard.decompress(data, max_output_size=_MAX_PLAIN_BYTES)
        return Payload.FromString(data)


async def _in_thread(process: Callable[[Payload], Payload], payload: Payload) -> Payload:
    if payload.ByteSize() < _MIN_THREAD_BYTES:
        return process(payload)
    return await asyncio.to_thread(process, payload)


def _authenticated(metadata: Mapping[str, bytes]) -> bytes:
    """Return the metadata that decryption checks besides the data."""
    return metadata[KEY_ID_METADATA] + b"\0" + metadata.get(_COMPRESSION, b"")
