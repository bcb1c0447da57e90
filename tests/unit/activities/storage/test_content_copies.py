from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import Settings
from activities.storage.content_copies import ContentCopies
from activities.storage.content_storage import ContentStorage
from activities.temporal.data_converter import data_converter
from activities.temporal.payload_storage import PayloadStorageFailed, payload_directory
from agentkit.messages import Message, StoredContent, ToolResult, user_message


@pytest.fixture
async def client(tmp_path: Path) -> Client:
    return await Client.connect("127.0.0.1:1", lazy=True, data_converter=data_converter(Settings(data_dir=tmp_path)))


def result(whole: StoredContent | None, *files: StoredContent) -> Message:
    part = ToolResult(call_id="c", name="look", content="shortened", whole=whole, files=files or None)
    return Message(role="tool", parts=(part,))


async def test_contents_can_be_read_when_the_workflow_that_had_them_is_gone(client: Client, tmp_path: Path) -> None:
    storage = ContentStorage(client)
    whole = await storage.write("task-1", b"a long result", media_type="text/plain")
    image = await storage.write("task-1", b"an image", media_type="image/png", name="a.png")
    plain = user_message("Look.")
    [first, second] = await ContentCopies(client).copy("conversation-1", [plain, result(whole, image)])
    shutil.rmtree(tmp_path / "payloads" / payload_directory(client.namespace, "task-1"))
    assert first is plain
    [part] = second.parts
    assert isinstance(part, ToolResult)
    assert part.whole is not None
    assert part.files is not None
    assert await storage.read(part.whole) == b"a long result"
    assert await storage.read(part.files[0]) == b"an image"
    assert (part.files[0].name, part.files[0].media_type, part.content) == ("a.png", "image/png", "shortened")


async def test_a_content_that_is_gone_already_keeps_its_message(client: Client, tmp_path: Path) -> None:
    gone = await ContentStorage(client).write("task-1", b"a long result", media_type="text/plain")
    shutil.rmtree(tmp_path / "payloads" / payload_directory(client.namespace, "task-1"))
    not_kept = StoredContent(media_type="image/png", size=3)
    messages = [result(gone, not_kept)]
    assert await ContentCopies(client).copy("conversation-1", messages) == messages
    with pytest.raises(PayloadStorageFailed, match="is missing"):
        await ContentCopies(client).copy("conversation-1", messages, complete=True)
