from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import PayloadCodec

from activities.settings import Settings
from activities.storage.content_storage import ContentStorage
from activities.temporal.data_converter import data_converter
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.messages import StoredContent

DATA = b"".join(number.to_bytes(4) for number in range(2_500_000))  # three blocks


class _ReversingCodec(PayloadCodec):
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"reversed"}, data=p.SerializeToString()[::-1]) for p in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(p.data[::-1]) for p in payloads]


async def storage_in(directory: Path, codec: PayloadCodec | None = None) -> ContentStorage:
    converter = data_converter(Settings(data_dir=directory))
    if codec is not None:
        converter = converter.__class__(
            payload_converter_class=converter.payload_converter_class,
            payload_codec=codec,
            external_storage=converter.external_storage,
        )
    return ContentStorage(await Client.connect("127.0.0.1:1", lazy=True, data_converter=converter))


def files(directory: Path) -> list[Path]:
    return [path for path in (directory / "payloads").rglob("*") if path.is_file()]


@pytest.mark.parametrize("data", [b"", b"x", DATA[: 4 * 1_048_576], DATA], ids=["empty", "short", "a block", "blocks"])
async def test_what_was_written_is_read(tmp_path: Path, data: bytes) -> None:
    storage = await storage_in(tmp_path)
    stored = await storage.write("task", data, media_type="text/plain", name="a.txt")
    assert (stored.size, stored.media_type, stored.name) == (len(data), "text/plain", "a.txt")
    assert await storage.read(stored) == data


async def test_a_range_is_read_from_the_blocks_that_have_it(tmp_path: Path) -> None:
    storage = await storage_in(tmp_path)
    stored = await storage.write("task", DATA, media_type="text/plain")
    middle = 2 * 4 * 1_048_576
    first_block = next(path for path in files(tmp_path) if DATA[: 4 * 1_048_576] in path.read_bytes())
    first_block.unlink()
    assert await storage.read(stored, middle - 5, middle + 5) == DATA[middle - 5 : middle + 5]
    with pytest.raises(PayloadStorageFailed, match="is missing"):
        await storage.read(stored, 0, 1)


async def test_equal_contents_of_a_task_are_stored_once(tmp_path: Path) -> None:
    storage = await storage_in(tmp_path)
    first = await storage.write("task", b"same", media_type="text/plain")
    second = await storage.write("task", b"same", media_type="image/png")
    other = await storage.write("other", b"same", media_type="text/plain")
    assert first.claim == second.claim != other.claim
    assert len(files(tmp_path)) == 2 * 3, "a block, an index and an owner for each task"


async def test_contents_are_encoded_as_payloads_are(tmp_path: Path) -> None:
    storage = await storage_in(tmp_path, _ReversingCodec())
    stored = await storage.write("task", b"a secret text", media_type="text/plain")
    assert await storage.read(stored, 2, 8) == b"secret"
    assert all(b"secret" not in path.read_bytes() for path in files(tmp_path))


async def test_a_content_that_was_not_kept_is_an_error(tmp_path: Path) -> None:
    storage = await storage_in(tmp_path)
    with pytest.raises(PayloadStorageFailed, match="was not kept"):
        await storage.read(StoredContent(media_type="text/plain", size=5))
