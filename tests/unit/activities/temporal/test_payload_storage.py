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


async def test_what_is_stored_comes_back_in_order_with_its_metadata(tmp_path: Path) -> None:
    other = Payload(metadata={"encoding": b"binary/plain"}, data=b"\x00\xff")
    driver = DirectoryStorageDriver(tmp_path / "not" / "there" / "yet")
    claims = await driver.store(STORING, [PAYLOAD, other])
    assert await DirectoryStorageDriver(tmp_path / "not" / "there" / "yet").retrieve(RETRIEVING, claims) == [
        PAYLOAD,
        other,
    ]


async def test_a_claim_is_the_digest_of_the_content_so_the_same_is_stored_once(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    claims = await driver.store(STORING, [PAYLOAD, PAYLOAD])
    assert claims == await driver.store(STORING, [PAYLOAD]) * 2
    digest = hashlib.sha256(PAYLOAD.SerializeToString()).hexdigest()
    assert claims[0].claim_data == {"sha256": digest}
    assert [path.name for path in files(tmp_path)] == [digest]


async def test_a_damaged_file_is_never_taken_for_the_payload(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    claims = await driver.store(STORING, [PAYLOAD])
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"'")
    with pytest.raises(ValueError, match=rf"Payload {file.name} is damaged"):
        await driver.retrieve(RETRIEVING, claims)


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    claim = StorageDriverClaim(claim_data={"sha256": "ab" * 32})
    with pytest.raises(FileNotFoundError, match="ab" * 32):
        await DirectoryStorageDriver(tmp_path).retrieve(RETRIEVING, [claim])


def test_the_name_that_histories_hold_stays(tmp_path: Path) -> None:
    assert DirectoryStorageDriver(tmp_path).name() == "opspawn.directory"
