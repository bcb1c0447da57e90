from __future__ import annotations

import hashlib
import resource
import signal
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from activities.temporal.payload_storage import DirectoryStorageDriver, PayloadStorageFailed, storage_failure_in

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
    assert claims[0].claim_data == {"directory": "other", "sha256": digest}
    assert [path.name for path in files(tmp_path)] == [digest]


async def unreadable(driver: DirectoryStorageDriver, claim: StorageDriverClaim) -> str:
    """Return the message about a payload that can't be read."""
    with pytest.raises(PayloadStorageFailed) as raised:
        await driver.retrieve(RETRIEVING, [claim])
    assert storage_failure_in(f"Failed: {raised.value}") == str(raised.value)
    return str(raised.value)


async def test_a_changed_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    claims = await driver.store(STORING, [PAYLOAD])
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"'")
    assert f"{file} is damaged" in await unreadable(driver, claims[0])


async def test_the_error_about_a_missing_file_names_its_place_and_the_setting_to_check(tmp_path: Path) -> None:
    claim = StorageDriverClaim(claim_data={"directory": "ab/cd", "sha256": "ab" * 32})
    message = await unreadable(DirectoryStorageDriver(tmp_path), claim)
    assert f"{tmp_path}/ab/cd/{'ab' * 32}" in message
    assert "OPSPAWN_DATA_DIR" in message


async def test_the_error_about_a_file_that_the_system_does_not_let_read_says_why(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    claims = await driver.store(STORING, [PAYLOAD])
    (file,) = files(tmp_path)
    file.unlink()
    file.mkdir()  # unlike missing permissions, this is an error for root, too
    message = await unreadable(driver, claims[0])
    assert f"{file} can't be read (Is a directory)" in message
    assert "permissions" in message


async def test_the_error_about_a_payload_that_can_not_be_stored_names_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    directory = tmp_path / "file" / "payloads"
    with pytest.raises(PayloadStorageFailed, match=rf"can't be stored in {directory} \(Not a directory\)") as raised:
        await DirectoryStorageDriver(directory).store(STORING, [PAYLOAD])
    assert storage_failure_in(f"Failed: {raised.value}") == str(raised.value)


def test_other_messages_have_no_storage_failure() -> None:
    assert storage_failure_in("Workflow not found") is None


async def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    driver = DirectoryStorageDriver(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    other = Payload(data=b"y" * 100_000)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(PayloadStorageFailed, match="File too large"):
            await driver.store(STORING, [other])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert files(tmp_path) == []


def test_the_drivers_name_never_changes(tmp_path: Path) -> None:
    assert DirectoryStorageDriver(tmp_path).name() == "opspawn.directory"
