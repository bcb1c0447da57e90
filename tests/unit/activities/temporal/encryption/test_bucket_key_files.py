from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.encryption.bucket_key_files import BucketKeyFiles
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from activities.temporal.payload_storage import DirectoryStorageDriver, PayloadStorageFailed
from activities.temporal.s3_storage import S3PayloadStorage
from tests.bucket_server import BucketServer, bucket_server


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BucketServer]:
    async with bucket_server() as server:
        variables = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}
        for name, value in {**variables, "ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server


@pytest.fixture
def files(bucket: BucketServer, tmp_path: Path) -> BucketKeyFiles:
    return S3PayloadStorage("s3://payloads/team/a", DirectoryStorageDriver(tmp_path)).key_files


async def test_a_file_is_written_once_and_replaced_only_in_the_version_that_was_read(
    files: BucketKeyFiles, bucket: BucketServer
) -> None:
    assert await files.read("one") is None
    assert await files.names() == []
    assert await files.create("one", b"first")
    assert not await files.create("one", b"second")
    first = await files.read("one")
    assert first is not None
    assert first.data == b"first"
    assert await files.replace("one", b"third", first.version)
    assert not await files.replace("one", b"fourth", first.version)
    assert bucket.objects == {"/payloads/team/a/tenant-keys/one": b"third"}
    assert await files.names() == ["one"]


async def test_a_bucket_that_refuses_is_a_failure_of_storage(files: BucketKeyFiles, bucket: BucketServer) -> None:
    bucket.failing = True
    with pytest.raises(PayloadStorageFailed, match="s3://payloads/team/a/tenant-keys"):
        await files.read("one")
    with pytest.raises(PayloadStorageFailed, match="can't be stored"):
        await files.create("one", b"first")
    with pytest.raises(PayloadStorageFailed, match="can't be stored"):
        await files.replace("one", b"first", "1")
    with pytest.raises(PayloadStorageFailed, match="can't be read"):
        await files.names()


async def test_the_keys_of_tenants_are_where_large_payloads_are(bucket: BucketServer, tmp_path: Path) -> None:
    keys = {"a": SecretStr(base64.b64encode(os.urandom(32)).decode())}
    settings = Settings(
        data_dir=tmp_path, payload_storage="s3://payloads/team/a", encryption_keys=keys, tenant_keys=True
    )
    codec = data_converter(settings).payload_codec
    assert isinstance(codec, PayloadEncryption)
    reference = (await codec.id_suffix("acme", None))[1:]
    assert f"/payloads/team/a/tenant-keys/{reference}" in bucket.objects
    [key] = (await codec.tenant_keys.owned_by("acme")).keys
    await codec.tenant_keys.destroy(key)
    assert b"destroyed_at" in bucket.objects[f"/payloads/team/a/tenant-keys/{reference}"]
    assert await codec.is_destroyed(reference)
    assert os.listdir(tmp_path) == []
