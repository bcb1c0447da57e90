"""Convert values to payloads: pydantic's JSON, encrypted if keys are set; large ones are stored outside of history."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    ExternalStorage,
    JSONPlainPayloadConverter,
    StorageDriver,
    StorageDriverSelectContext,
)

from activities.erasure_payloads import (
    ConversationReference,
    ErasureRequest,
    ErasureSweep,
    MemoryCount,
    SweptExecutions,
    TaskReference,
)
from activities.payload_types import (
    INLINE_METADATA,
    QUERY_RESULT_METADATA,
    TOOL_OUTPUT_KEY,
    TranscriptPage,
    encode_output,
)
from activities.settings import Settings
from activities.temporal.encryption.encrypted_payloads import (
    ENCRYPTED,
    ERASED_METADATA,
    NO_CONTENT_METADATA,
    PayloadErased,
    key_missing,
)
from activities.temporal.encryption.key_files import KEY_FILES_DIRECTORY, DirectoryKeyFiles
from activities.temporal.payload_storage import DirectoryStorageDriver
from activities.temporal.s3_storage import S3PayloadStorage
from agentkit.interfaces import ToolOutput

__all__ = ["CompactPayloadConverter", "data_converter"]


_MAX_INLINE_BYTES = 1_500_000
"""Of a query's result; Temporal takes 2 MiB. A page that is larger, because one message is, is stored."""


class _CompactJSON(PydanticJSONPlainPayloadConverter):
    """pydantic's JSON without ``None`` fields: smaller histories, and for records the canonical JSON of digests."""

    def to_payload(self, value: Any) -> Payload | None:
        metadata = {"encoding": self.encoding.encode()}
        if isinstance(value, TranscriptPage):
            metadata[QUERY_RESULT_METADATA] = b"1"
        elif isinstance(value, ToolOutput):
            metadata[TOOL_OUTPUT_KEY] = encode_output(value)
            if value.loss is not None:
                metadata[INLINE_METADATA] = b"1"  # storage failed before
            value = value.value
        elif isinstance(value, ErasureRequest | ErasureSweep | SweptExecutions):
            metadata[INLINE_METADATA] = b"1"  # stored, it would be erased with the payloads of its workflow's id
            metadata[NO_CONTENT_METADATA] = b"1"  # and so it would with the key of its workflow's id
        elif isinstance(value, TaskReference | ConversationReference | MemoryCount):
            metadata[NO_CONTENT_METADATA] = b"1"  # erasures have these, too
        return Payload(metadata=metadata, data=to_json(value, exclude_none=True))

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Return the value of a payload. That of an erased one is a text, for lists and memos.

        Raises:
            PayloadErased: another type is wanted, or a workflow reads it, which can't go on without the value.
        """
        if ERASED_METADATA in payload.metadata and (type_hint not in (None, str) or workflow.unsafe.in_sandbox()):
            raise PayloadErased
        return super().from_payload(payload, type_hint)


class _WithoutKeys(EncodingPayloadConverter):
    """Refuses encrypted payloads, which reach a converter only where no key is set."""

    @property
    def encoding(self) -> str:
        return ENCRYPTED.decode()

    def to_payload(self, value: Any) -> Payload | None:
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        raise key_missing(payload)


_COMPACT_JSON = _CompactJSON()
_CONVERTERS: tuple[EncodingPayloadConverter, ...] = (
    *(
        _COMPACT_JSON if isinstance(converter, JSONPlainPayloadConverter) else converter
        for converter in DefaultPayloadConverter.default_encoding_payload_converters
    ),
    _WithoutKeys(),
)
"""Shared: with external storage the SDK creates a payload converter for each activity, each command and each start, and
shared instances keep pydantic's validators (0.3 ms for a tool's arguments)."""


class CompactPayloadConverter(CompositePayloadConverter):
    """Temporal's default converters, except for JSON, which is pydantic's."""

    def __init__(self) -> None:
        """Initialize without arguments, because the data converter creates it from its class."""
        super().__init__(*_CONVERTERS)


def data_converter(settings: Settings) -> DataConverter:
    """Return the data converter: payloads from ``payload_threshold_bytes`` on are in payload storage.

    Raises:
        ConfigurationInvalid: ``payload_storage`` can't be used.
    """
    directory = DirectoryStorageDriver(settings.data_dir / "payloads")
    bucket = None if settings.payload_storage is None else S3PayloadStorage(settings.payload_storage, directory)
    drivers: list[StorageDriver] = [directory] if bucket is None else [bucket, directory]

    def select(context: StorageDriverSelectContext, payload: Payload) -> StorageDriver | None:
        is_short_page = QUERY_RESULT_METADATA in payload.metadata and payload.ByteSize() <= _MAX_INLINE_BYTES
        return None if is_short_page or INLINE_METADATA in payload.metadata else drivers[0]

    storage = ExternalStorage(drivers, driver_selector=select, payload_size_threshold=settings.payload_threshold_bytes)
    if not settings.encryption_keys:
        return DataConverter(payload_converter_class=CompactPayloadConverter, external_storage=storage)
    # Only those who encrypt load what it takes.
    from activities.temporal.encryption.payload_encryption import PayloadEncryption
    from activities.temporal.encryption.tenant_encryption_keys import TenantEncryptionKeys

    files = DirectoryKeyFiles(settings.data_dir / KEY_FILES_DIRECTORY) if bucket is None else bucket.key_files
    tenant_keys = TenantEncryptionKeys(files, settings.encryption_keys, gives_new_workflows_keys=settings.tenant_keys)
    return DataConverter(
        payload_converter_class=CompactPayloadConverter,
        payload_codec=PayloadEncryption(settings.encryption_keys, tenant_keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
        external_storage=storage,
    )
