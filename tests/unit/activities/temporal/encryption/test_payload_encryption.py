from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError

from activities.erasure_payloads import ConversationReference, ErasureRequest, MemoryCount, TaskReference
from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.encryption.encrypted_payloads import PayloadUndecryptable
from activities.temporal.encryption.key_files import DirectoryKeyFiles
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from activities.temporal.encryption.tenant_encryption_keys import TenantEncryptionKeys
from activities.temporal.payload_storage import storage_failure_in


def new_key() -> SecretStr:
    return SecretStr(base64.b64encode(os.urandom(32)).decode())


def encryption(keys: Mapping[str, SecretStr]) -> PayloadEncryption:
    return PayloadEncryption(
        keys, TenantEncryptionKeys(DirectoryKeyFiles(Path("none")), keys, gives_new_workflows_keys=False)
    )


OLD, NEW = {"2026-10": new_key()}, {"2026-11": new_key()}
SECRET = b"the code is 4711"


def payload(data: bytes = SECRET, **metadata: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain", **metadata}, data=data)


@pytest.mark.parametrize("size", [0, 1, 500, 5_000, 20_000, 400_000])
async def test_decryption_returns_what_was_encrypted(size: int) -> None:
    codec, plain = encryption(NEW), payload(b"x" * size, other=b"1")
    (encrypted,) = await codec.encode([plain])
    assert encrypted.metadata["encoding"] == b"binary/encrypted"
    assert encrypted.metadata["encryption-key-id"] == b"2026-11"
    assert await codec.decode([encrypted]) == [plain]


async def test_neither_data_nor_metadata_are_readable_without_the_key() -> None:
    (encrypted,) = await encryption(NEW).encode([payload(SECRET, note=SECRET)])
    assert SECRET not in encrypted.SerializeToString()


async def test_what_says_where_a_payload_is_stored_stays_readable() -> None:
    (encrypted,) = await encryption(NEW).encode([payload(**{"opspawn-inline": b"1"})])
    assert encrypted.metadata["opspawn-inline"] == b"1"


async def test_equal_small_payloads_look_different_and_equal_large_ones_the_same() -> None:
    codec = encryption(NEW)
    first, second = await codec.encode([payload(), payload()])
    assert first.data != second.data
    first, second = await codec.encode([payload(os.urandom(20_000))] * 2)
    assert first == second


async def test_text_is_compressed() -> None:
    (encrypted,) = await encryption(NEW).encode([payload(b"many words " * 1_000)])
    assert encrypted.ByteSize() < 1_000


async def test_after_a_rotation_the_first_key_encrypts_and_the_old_one_decrypts() -> None:
    old = await encryption(OLD).encode([payload()])
    rotated = encryption({**NEW, **OLD})
    assert await rotated.decode(old) == [payload()]
    (new,) = await rotated.encode([payload()])
    assert new.metadata["encryption-key-id"] == b"2026-11"


async def test_payloads_from_before_the_encryption_are_read() -> None:
    assert await encryption(NEW).decode([payload()]) == [payload()]


async def test_a_missing_key_is_named_with_the_remedy() -> None:
    encrypted = await encryption(OLD).encode([payload()])
    with pytest.raises(PayloadUndecryptable, match=r"'2026-10'.*OPSPAWN_ENCRYPTION_KEYS") as raised:
        await encryption(NEW).decode(encrypted)
    assert storage_failure_in(f"activity failed: {raised.value}") == str(raised.value)


async def test_another_key_of_the_same_id_is_an_error() -> None:
    encrypted = await encryption(OLD).encode([payload()])
    with pytest.raises(PayloadUndecryptable, match="was changed, or the key '2026-10'"):
        await encryption({"2026-10": new_key()}).decode(encrypted)


@pytest.mark.parametrize("change", ["data", "key", "compression", "short"])
async def test_a_changed_payload_is_an_error(change: str) -> None:
    codec = encryption({**NEW, "other": NEW["2026-11"]})
    (encrypted,) = await codec.encode([payload(b"words " * 1_000)])
    match change:
        case "data":
            encrypted.data = encrypted.data[:-1] + bytes([encrypted.data[-1] ^ 1])
        case "key":
            encrypted.metadata["encryption-key-id"] = b"other"
        case "compression":
            del encrypted.metadata["compression"]
        case "short":
            encrypted.data = b"x"
    with pytest.raises(PayloadUndecryptable):
        await codec.decode([encrypted])


async def test_message_and_stack_trace_of_a_failure_are_encrypted(tmp_path: Path) -> None:
    converter, failure = data_converter(Settings(data_dir=tmp_path, encryption_keys=NEW)), Failure()
    try:
        raise ApplicationError(SECRET.decode(), SECRET.decode())
    except ApplicationError as error:
        await converter.encode_failure(error, failure)
    assert SECRET not in failure.SerializeToString()
    assert b"test_payload_encryption.py" not in failure.SerializeToString()
    decoded = await converter.decode_failure(failure)
    assert isinstance(decoded, ApplicationError)
    assert (decoded.message, decoded.details) == (SECRET.decode(), (SECRET.decode(),))


async def test_stored_payloads_are_encrypted(tmp_path: Path) -> None:
    converter = data_converter(Settings(data_dir=tmp_path, encryption_keys=NEW))
    text = SECRET.decode() * 10_000 + os.urandom(20_000).hex()
    payloads = await converter.encode([text, text])
    files = [path for path in (tmp_path / "payloads").rglob("*") if path.is_file() and path.name != "owner.json"]
    assert len(files) == 1
    assert SECRET not in files[0].read_bytes()
    assert await converter.decode(payloads) == [text, text]


async def test_payloads_without_content_are_not_encrypted_with_a_key_that_can_be_destroyed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, encryption_keys=NEW, tenant_keys=True)
    converter = data_converter(settings)
    codec = converter.payload_codec
    assert isinstance(codec, PayloadEncryption)
    task_id = f"task-{'0' * 32}{await codec.id_suffix('acme', None)}"
    [key] = (await codec.tenant_keys.owned_by("acme")).keys
    await codec.tenant_keys.destroy(key)
    bound = converter.with_context(WorkflowSerializationContext("default", task_id))
    request = ErasureRequest(last_sweep_after=datetime.now(UTC), grace_s=1)
    task = TaskReference(tenant="acme", task_id=task_id)
    conversation = ConversationReference(tenant="acme", conversation_id=task_id)
    values = [request, task, conversation, MemoryCount(count=2, kind="erased")]
    erasure, *others, content = await bound.encode([*values, "Hello"])
    types: list[type] = [ErasureRequest, TaskReference, ConversationReference, MemoryCount, str]
    assert await bound.decode([erasure, *others, content], types) == [*values, "[erased]"]
    assert (erasure.metadata["encoding"], content.metadata["encoding"]) == (b"binary/encrypted", b"json/plain")
