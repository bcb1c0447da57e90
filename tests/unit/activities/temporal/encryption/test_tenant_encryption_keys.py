from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.converter import ActivitySerializationContext, SerializationContext, WorkflowSerializationContext

from activities.temporal.encryption.encrypted_payloads import ERASED_METADATA, PayloadUndecryptable
from activities.temporal.encryption.key_files import DirectoryKeyFiles, KeyFile
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from activities.temporal.encryption.tenant_encryption_keys import MAX_KEY_AGE_S, TenantEncryptionKeys

SECRET = b'"the code is 4711"'
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=SECRET)
ID = "task-" + "0" * 32
CREATE = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from activities.temporal.encryption.key_files import DirectoryKeyFiles
from activities.temporal.encryption.tenant_encryption_keys import TenantEncryptionKeys
files, master = DirectoryKeyFiles(Path(sys.argv[1])), {"a": SecretStr(sys.argv[2])}
keys = TenantEncryptionKeys(files, master, gives_new_workflows_keys=True)
print(asyncio.run(keys.id_suffix("acme", "ada")))
"""


def new_key() -> SecretStr:
    return SecretStr(base64.b64encode(os.urandom(32)).decode())


OLD, NEW = {"old": new_key()}, {"new": new_key()}


def tenant_keys(
    directory: Path,
    keys: Mapping[str, SecretStr] = OLD,
    clock: Callable[[], float] = lambda: 0.0,
    gives_new_workflows_keys: bool = True,
) -> TenantEncryptionKeys:
    return TenantEncryptionKeys(
        DirectoryKeyFiles(directory), keys, gives_new_workflows_keys=gives_new_workflows_keys, clock=clock
    )


def codec_of(keys: TenantEncryptionKeys, workflow_id: str, master: Mapping[str, SecretStr] = OLD) -> PayloadEncryption:
    return PayloadEncryption(master, keys).with_context(WorkflowSerializationContext("default", workflow_id))


async def encrypted_for(keys: TenantEncryptionKeys, tenant: str, user: str | None = None) -> Payload:
    (payload,) = await codec_of(keys, ID + await keys.id_suffix(tenant, user)).encode([PLAIN])
    return payload


async def decrypted(keys: TenantEncryptionKeys, payload: Payload, master: Mapping[str, SecretStr] = OLD) -> bytes:
    (plain,) = await PayloadEncryption(master, keys).decode([payload])
    return plain.data


def stored_bytes(directory: Path) -> list[bytes]:
    """Return the names and contents of the files."""
    return [path.name.encode() + path.read_bytes() for path in directory.iterdir()]


async def destroy(keys: TenantEncryptionKeys, tenant: str, user: str | None = None) -> int:
    found = await keys.owned_by(tenant, user)
    for key in found.keys:
        await keys.destroy(key)
    return len(found.keys)


async def test_a_destroyed_key_leaves_tombstones_and_the_keys_of_others_stay(tmp_path: Path) -> None:
    keys = tenant_keys(tmp_path)
    mine, others = await encrypted_for(keys, "acme"), await encrypted_for(keys, "globex")
    assert await decrypted(keys, mine) == await decrypted(keys, others) == SECRET
    assert await destroy(keys, "acme") == 1
    (erased,) = await PayloadEncryption(OLD, keys).decode([mine])
    assert (erased.data, ERASED_METADATA in erased.metadata) == (b'"[erased]"', True)
    assert await decrypted(keys, others) == SECRET
    assert not any(SECRET in each for each in stored_bytes(tmp_path))


async def test_a_user_has_a_key_of_its_own_which_ends_with_its_tenant_s(tmp_path: Path) -> None:
    keys = tenant_keys(tmp_path)
    tenant, ada, bob = [await encrypted_for(keys, "acme", user) for user in (None, "ada", "bob")]
    assert await destroy(keys, "acme", "ada") == 1
    assert [await decrypted(keys, each) for each in (tenant, ada, bob)] == [SECRET, b'"[erased]"', SECRET]
    assert await destroy(keys, "acme") == 3  # with the one that is destroyed already
    assert await decrypted(keys, tenant) == await decrypted(keys, bob) == b'"[erased]"'


async def test_after_its_key_was_destroyed_an_owner_gets_a_new_one_and_old_workflows_write_nothing(
    tmp_path: Path,
) -> None:
    keys = tenant_keys(tmp_path)
    old_id = ID + await keys.id_suffix("acme", None)
    await destroy(keys, "acme")
    new_id = ID + await keys.id_suffix("acme", None)
    assert old_id != new_id
    (written,) = await codec_of(keys, old_id).encode([PLAIN])
    assert SECRET not in written.SerializeToString()
    assert await decrypted(keys, await encrypted_for(keys, "acme")) == SECRET


async def test_another_process_knows_of_the_destruction_after_the_documented_time(tmp_path: Path) -> None:
    now = 0.0
    one, other = tenant_keys(tmp_path), tenant_keys(tmp_path, clock=lambda: now)
    payload = await encrypted_for(other, "acme")
    suffix = await other.id_suffix("acme", None)
    await destroy(one, "acme")
    now = MAX_KEY_AGE_S - 0.1
    assert await decrypted(other, payload) == SECRET
    now = MAX_KEY_AGE_S
    assert await decrypted(other, payload) == b'"[erased]"'
    assert await other.id_suffix("acme", None) != suffix


async def test_processes_that_create_a_key_at_once_agree(tmp_path: Path) -> None:
    arguments = (sys.executable, "-c", CREATE, str(tmp_path), OLD["old"].get_secret_value())
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*arguments, stdout=pipe) for _ in range(3)]
    printed = [(await process.communicate())[0] for process in processes]
    assert len(set(printed)) == 1
    assert len(printed[0].strip()) == 21
    assert len(set(os.listdir(tmp_path)) - {".lock"}) == 2


async def test_rewrapped_keys_need_the_old_key_no_more(tmp_path: Path) -> None:
    before = tenant_keys(tmp_path)
    payload, erased = await encrypted_for(before, "acme"), await encrypted_for(before, "globex")
    await destroy(before, "globex")
    rotated = tenant_keys(tmp_path, {**NEW, **OLD})
    assert await rotated.id_suffix("acme", None) == await before.id_suffix("acme", None)
    assert [await rotated.rewrap(), await rotated.rewrap()] == [(3, []), (0, [])]
    after = tenant_keys(tmp_path, NEW)
    assert await decrypted(after, payload, NEW) == SECRET
    assert await decrypted(after, erased, NEW) == b'"[erased]"'
    assert await after.id_suffix("acme", None) == await before.id_suffix("acme", None)


async def test_a_key_of_another_master_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    payload = await encrypted_for(tenant_keys(tmp_path), "acme")
    with pytest.raises(PayloadUndecryptable, match=r"wrapped with the key 'old'.*keys rewrap"):
        await decrypted(tenant_keys(tmp_path, NEW), payload, NEW)
    with pytest.raises(PayloadUndecryptable, match="has other bytes"):
        await decrypted(tenant_keys(tmp_path, {"old": new_key()}), payload)
    with pytest.raises(PayloadUndecryptable, match="isn't in"):
        await decrypted(tenant_keys(tmp_path / "elsewhere"), payload)


async def test_a_file_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    keys = tenant_keys(tmp_path)
    first, second = [(await keys.id_suffix(tenant, None))[1:] for tenant in ("acme", "globex")]
    (tmp_path / first).write_bytes((tmp_path / second).read_bytes())
    with pytest.raises(PayloadUndecryptable, match="was changed"):
        await keys.cipher(first)
    (tmp_path / second).write_text("{")
    with pytest.raises(PayloadUndecryptable, match="damaged"):
        await keys.cipher(second)


async def test_what_is_readable_is_destroyed_and_rewrapped_beside_a_damaged_file(tmp_path: Path) -> None:
    keys = tenant_keys(tmp_path)
    for user in (None, "ada", "bob"):
        await keys.id_suffix("acme", user)
    damaged = (await keys.id_suffix("acme", "ada"))[1:]
    (tmp_path / damaged).write_text("{")
    (tmp_path / ".nfs0001").write_text("of the file system")
    for found, count in ((await keys.owned_by("acme"), 2), (await keys.owned_by("acme", "ada"), 0)):
        assert len(found.keys) == count
        assert [damaged in problem for problem in found.problems] == [True]
    count, problems = await tenant_keys(tmp_path, {**NEW, **OLD}).rewrap()
    assert (count, len(problems)) == (3, 1)


async def test_an_interrupted_destruction_finds_the_same_keys_again_and_no_file_says_whose(tmp_path: Path) -> None:
    keys = tenant_keys(tmp_path)
    await keys.id_suffix("acme", "ada@example.com")
    for user in (None, "ada@example.com"):
        before = (await keys.owned_by("acme", user)).keys
        assert await destroy(keys, "acme", user) == 1
        assert (await tenant_keys(tmp_path).owned_by("acme", user)).keys == before
    await tenant_keys(tmp_path, {**NEW, **OLD}).rewrap()
    assert (await tenant_keys(tmp_path, NEW).owned_by("acme")).keys == before
    assert not any(b"acme" in each or b"ada" in each for each in stored_bytes(tmp_path))


async def test_without_create_no_key_is_made_and_that_of_the_tenant_is_used(tmp_path: Path) -> None:
    keys = tenant_keys(tmp_path)
    assert await keys.id_suffix("acme", "ada", create=False) == ""
    assert not await tenant_keys(tmp_path, gives_new_workflows_keys=False).are_used()
    assert os.listdir(tmp_path) == []
    of_tenant = await keys.id_suffix("acme", None)
    assert await keys.id_suffix("acme", "ada", create=False) == of_tenant
    assert await keys.id_suffix("acme", "ada") != of_tenant
    assert await tenant_keys(tmp_path, gives_new_workflows_keys=False).are_used()


async def test_a_key_that_was_read_slowly_is_no_younger_for_it(tmp_path: Path) -> None:
    now = 0.0

    class SlowFiles(DirectoryKeyFiles):
        async def read(self, name: str) -> KeyFile | None:
            nonlocal now
            file = await super().read(name)
            now += MAX_KEY_AGE_S
            return file

    await encrypted_for(tenant_keys(tmp_path), "acme")
    slow = TenantEncryptionKeys(SlowFiles(tmp_path), OLD, gives_new_workflows_keys=True, clock=lambda: now)
    suffix = await slow.id_suffix("acme", None)
    assert await slow.cipher(suffix[1:]) is not None
    await destroy(tenant_keys(tmp_path), "acme")
    assert await slow.cipher(suffix[1:]) is None
    assert await slow.id_suffix("acme", None) != suffix


async def test_no_file_says_whose_it_is(tmp_path: Path) -> None:
    await encrypted_for(tenant_keys(tmp_path), "acme", "ada@example.com")
    assert not any(b"acme" in each or b"ada" in each for each in stored_bytes(tmp_path))


async def test_when_turned_off_new_workflows_get_no_key_and_the_others_keep_theirs(tmp_path: Path) -> None:
    payload = await encrypted_for(tenant_keys(tmp_path), "acme")
    off = tenant_keys(tmp_path, gives_new_workflows_keys=False)
    assert await off.id_suffix("acme", None) == ""
    assert await decrypted(off, payload) == SECRET


@pytest.mark.parametrize("kind", ["turn", "activity", "standalone"])
async def test_the_key_is_that_of_the_workflow_in_every_context(tmp_path: Path, kind: str) -> None:
    keys = tenant_keys(tmp_path)
    suffix = await keys.id_suffix("acme", None)
    contexts: dict[str, SerializationContext] = {
        "turn": WorkflowSerializationContext("default", f"conversation-{'0' * 32}{suffix}-message"),
        "activity": activity_context(workflow_id=ID + suffix, activity_id="call_1"),
        "standalone": activity_context(workflow_id=None, activity_id=f"opspawn-memory-{'0' * 32}{suffix}"),
    }
    (payload,) = await PayloadEncryption(OLD, keys).with_context(contexts[kind]).encode([PLAIN])
    assert payload.metadata["encryption-key-id"] == b"tenant:" + suffix[1:].encode()


def activity_context(workflow_id: str | None, activity_id: str) -> ActivitySerializationContext:
    return ActivitySerializationContext(
        namespace="default",
        activity_id=activity_id,
        activity_type="tool.pay",
        activity_task_queue="queue",
        workflow_id=workflow_id,
        workflow_type=None,
        is_local=False,
    )
