"""What encrypted payloads have in common for those who can decrypt them and those who can't."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import ActivitySerializationContext, SerializationContext, WorkflowSerializationContext

from activities.temporal.payload_storage import READ_FAILURE, PayloadStorageFailed

__all__ = [
    "ENCRYPTED",
    "ERASED_METADATA",
    "ERASED_TEXT",
    "KEY_ID_METADATA",
    "NO_CONTENT_METADATA",
    "REFERENCE_DIGITS",
    "REFERENCE_PATTERN",
    "TENANT_KEY_PREFIX",
    "KeyedCodec",
    "PayloadErased",
    "PayloadUndecryptable",
    "context_reference",
    "erased_payload",
    "id_suffix",
    "is_erased",
    "key_missing",
    "key_reference",
    "keys_are_used",
    "tenant_key_reference",
]

ENCRYPTED = b"binary/encrypted"
"""The ``encoding`` of encrypted payloads; the same in Temporal's own samples."""
KEY_ID_METADATA = "encryption-key-id"
TENANT_KEY_PREFIX = "tenant:"
"""How the id of a tenant's key begins, before the key's reference; ids of ``encryption_keys`` have no colon."""
ERASED_METADATA = "opspawn-erased"
"""Metadata of the payload that stands for one whose key was destroyed."""
ERASED_TEXT = "[erased]"
"""The value of such a payload, as JSON."""

NO_CONTENT_METADATA = "opspawn-no-content"
"""Metadata of payloads of ours in which nobody wrote anything: no destroyed key erases them."""
REFERENCE_DIGITS = 20
REFERENCE_PATTERN = f"[0-9a-f]{{{REFERENCE_DIGITS}}}"
"""References of keys, as a regular expression."""

_REFERENCE = re.compile(rf"[a-z]+(?:-[a-z]+)*-[0-9a-f]{{32}}\.({REFERENCE_PATTERN})(?:-.*)?", re.DOTALL)
"""Ids of workflows and standalone activities that have a key of their own. Those of turns end with a message's id."""
_TENANT_KEY_ID = re.compile(f"{TENANT_KEY_PREFIX}({REFERENCE_PATTERN})".encode())


class PayloadUndecryptable(PayloadStorageFailed):
    """A payload can't be decrypted. The message names the key and what to check."""


class PayloadErased(PayloadStorageFailed):
    """The key of a payload was destroyed: nobody can read it any more."""

    def __init__(self) -> None:
        super().__init__(f"{READ_FAILURE}was erased: the key of its tenant or user was destroyed.")


@runtime_checkable
class KeyedCodec(Protocol):
    """A payload codec in which tenants and users have keys of their own."""

    async def id_suffix(self, tenant: str, user: str | None, *, create: bool = True) -> str:
        """Return the end of the id of a new workflow, by which its payloads get their key; empty: it has no own key.

        Without ``create`` no key is created: what belongs to a user without one has that of the tenant.

        Raises:
            PayloadStorageFailed: the key can't be read or stored.
        """

    async def are_used(self) -> bool:
        """Return whether ids of workflows may have such ends.

        Raises:
            PayloadStorageFailed: that can't be read.
        """

    async def is_destroyed(self, reference: str) -> bool:
        """Return whether a key was destroyed.

        Raises:
            PayloadStorageFailed: the key can't be read.
        """


def key_reference(workflow_id: str) -> str | None:
    """Return the reference of the key that the id of a workflow or standalone activity names; None: it names none."""
    found = _REFERENCE.fullmatch(workflow_id)
    return None if found is None else found[1]


def context_reference(context: SerializationContext) -> str | None:
    """Return the reference of the key for payloads of this context; None: they have none of their own."""
    if isinstance(context, WorkflowSerializationContext):
        return key_reference(context.workflow_id)
    if isinstance(context, ActivitySerializationContext):
        return key_reference(context.workflow_id or context.activity_id or "")
    return None


def tenant_key_reference(payload: Payload) -> str | None:
    """Return the reference of the tenant's or user's key that a payload is encrypted with; None: it's another key."""
    found = _TENANT_KEY_ID.fullmatch(payload.metadata.get(KEY_ID_METADATA, b""))
    return None if found is None else found[1].decode()


async def id_suffix(client: Client, tenant: str, user: str | None = None, *, create: bool = True) -> str:
    """Return the end of the id of a new workflow or standalone activity of a tenant, or of one of its users; see
    ``KeyedCodec``.

    Raises:
        PayloadStorageFailed: the key can't be read or stored.
    """
    codec: object = client.data_converter.payload_codec
    return await codec.id_suffix(tenant, user, create=create) if isinstance(codec, KeyedCodec) else ""


async def keys_are_used(client: Client) -> bool:
    """Return whether ids of workflows may end with references of keys.

    Raises:
        PayloadStorageFailed: that can't be read.
    """
    codec: object = client.data_converter.payload_codec
    return isinstance(codec, KeyedCodec) and await codec.are_used()


async def is_erased(client: Client, workflow_id: str) -> bool:
    """Return whether the key of a workflow's payloads was destroyed.

    Raises:
        PayloadStorageFailed: the key can't be read.
    """
    reference = key_reference(workflow_id)
    codec: object = client.data_converter.payload_codec
    return reference is not None and isinstance(codec, KeyedCodec) and await codec.is_destroyed(reference)


def erased_payload() -> Payload:
    """Return what stands for a payload whose key was destroyed."""
    return Payload(metadata={"encoding": b"json/plain", ERASED_METADATA: b"1"}, data=f'"{ERASED_TEXT}"'.encode())


def key_missing(payload: Payload) -> PayloadUndecryptable:
    """Return the error for an encrypted payload whose key this process doesn't have, or that another program wrote."""
    if KEY_ID_METADATA not in payload.metadata:
        return PayloadUndecryptable(f"{READ_FAILURE}has the encoding binary/encrypted, and isn't Opspawn's.")
    key_id = payload.metadata[KEY_ID_METADATA].decode(errors="replace")
    if tenant_key_reference(payload) is not None:
        return PayloadUndecryptable(
            f"{READ_FAILURE}is encrypted with a tenant's key, which this process can't unwrap: it has no keys. Set "
            "encryption_keys (OPSPAWN_ENCRYPTION_KEYS) as for the API and the workers."
        )
    return PayloadUndecryptable(
        f"{READ_FAILURE}is encrypted with the key {key_id!r}, which this process doesn't have. Add it to "
        "encryption_keys (OPSPAWN_ENCRYPTION_KEYS) of the API and of all workers, after the key that encrypts."
    )
