from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import Settings
from activities.storage.task_file_store import TaskFileStore
from activities.temporal.client import connect
from activities.temporal.payload_erasure import PayloadErasure
from activities.temporal.payload_storage import PayloadStorageFailed, payload_directory, write_owner
from agentkit.interfaces import FileChanges, NewFile


@pytest.fixture
async def client(tmp_path: Path) -> Client:
    return await connect(Settings(data_dir=tmp_path), lazy=True)


async def test_payloads_and_files_of_one_workflow_are_erased(client: Client, tmp_path: Path) -> None:
    payloads = tmp_path / "payloads"
    own, other = (payloads / payload_directory(client.namespace, workflow_id) for workflow_id in ("own", "other"))
    files = TaskFileStore(payloads, client.namespace)
    changes = FileChanges(written={"a.txt": NewFile(b"text")}, deleted=frozenset())
    for workflow_id in ("own", "other"):
        await files.publish(workflow_id, "call", changes, lambda *_: "result")
    (own / "partial-1").write_bytes(b"half")
    erasure = PayloadErasure(client, payloads)
    await erasure.erase("own")
    await erasure.erase("own")
    assert (own.exists(), other.exists()) == (False, True)
    assert (await files.snapshot("own")).files == ()


async def test_what_can_not_be_erased_is_an_error_that_is_retried(client: Client, tmp_path: Path) -> None:
    payloads = tmp_path / "payloads"
    own = payloads / payload_directory(client.namespace, "own")
    write_owner(own.parent / "real", client.namespace, "own")
    own.symlink_to(own.parent / "real", target_is_directory=True)  # what a person made of it
    with pytest.raises(PayloadStorageFailed, match="can't be erased"):
        await PayloadErasure(client, payloads).erase("own")
    assert (own.parent / "real" / "owner.json").exists()
