from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from activities.temporal.payload_storage import DirectoryStorageDriver

STORING, RETRIEVING = StorageDriverStoreContext(), StorageDriverRetrieveContext()
PAYLOAD = Payload(metadata={"encoding": b"json/plain"}, data=b'"' + b"x" * 200_000 + b'"')


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


async def test_stored_payloads_are_retrieved_in_order_with_their_metadata(tmp_path: Path) -> None:
    other = Payload(metadata={"encoding": b"binary/plain"}, data=b"\x00\xff")
    directory = tmp_path / "new" / "directory"
    claims = await DirectoryStorageDriver(directory).store(STORING, [PAYLOAD, other])
    assert await DirectoryStorageDriver(directory).retrieve(RETRIEVING, claims) == [PAYLOAD, other]


async def test_equal_payloads_are_stored_once_under_their_digest(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    claims = await driver.store(STORING, [PAYLOAD, PAYLOAD])
    assert claims == await driver.store(STORING, [PAYLOAD]) * 2
    digest = hashlib.sha256(PAYLOAD.SerializeToString()).hexdigest()
    assert claims[0].claim_data == {"sha256": digest}
    assert [path.name for path in files(tmp_path)] == [digest]


async def test_a_changed_file_is_an_error(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    claims = await driver.store(STORING, [PAYLOAD])
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"'")
    with pytest.raises(ValueError, match=rf"Payload {file.name} is damaged"):
        await driver.retrieve(RETRIEVING, claims)


async def test_the_error_about_a_missing_file_has_its_path(tmp_path: Path) -> None:
    claim = StorageDriverClaim(claim_data={"sha256": "ab" * 32})
    with pytest.raises(FileNotFoundError, match="ab" * 32):
        await DirectoryStorageDriver(tmp_path).retrieve(RETRIEVING, [claim])


def test_the_drivers_name_never_changes(tmp_path: Path) -> None:
    assert DirectoryStorageDriver(tmp_path).name() == "opspawn.directory"
