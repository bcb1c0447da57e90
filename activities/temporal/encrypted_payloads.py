"""What encrypted payloads have in common for those who can decrypt them and those who can't."""

from __future__ import annotations

from temporalio.api.common.v1 import Payload

from activities.temporal.payload_storage import READ_FAILURE, PayloadStorageFailed

__all__ = ["ENCRYPTED", "KEY_ID_METADATA", "PayloadUndecryptable", "key_missing"]

ENCRYPTED = b"binary/encrypted"
"""The ``encoding`` of encrypted payloads; the same in Temporal's own samples."""
KEY_ID_METADATA = "encryption-key-id"


class PayloadUndecryptable(PayloadStorageFailed):
    """A payload can't be decrypted. The message names the key and what to check."""


def key_missing(payload: Payload) -> PayloadUndecryptable:
    """Return the error for an encrypted payload whose key this process doesn't have, or that another program wrote."""
    if KEY_ID_METADATA not in payload.metadata:
        return PayloadUndecryptable(f"{READ_FAILURE}has the encoding binary/encrypted, and isn't Opspawn's.")
    key_id = payload.metadata[KEY_ID_METADATA].decode(errors="replace")
    return PayloadUndecryptable(
        f"{READ_FAILURE}is encrypted with the key {key_id!r}, which this process doesn't have. Add it to "
        "encryption_keys (OPSPAWN_ENCRYPTION_KEYS) of the API and of all workers, after the key that encrypts."
    )
