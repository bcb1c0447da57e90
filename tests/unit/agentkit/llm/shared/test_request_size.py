from __future__ import annotations

import pytest

from agentkit.errors import ContextTooLong
from agentkit.interfaces import ModelRequest
from agentkit.llm.shared import request_size
from agentkit.llm.shared.request_size import check_request_size
from agentkit.messages import ContentPart, FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult

HALF = 501
DATA = b"x" * 378
"""As many characters in base64."""


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_size, "MAX_REQUEST_CHARS", 1_000)


def _request(*parts: ContentPart) -> ModelRequest:
    return ModelRequest(model="openai:gpt-5-mini", system="", messages=(Message(role="user", parts=parts),))


@pytest.mark.parametrize(
    "part",
    [
        TextPart(text="x" * HALF),
        ThinkingPart(text="x" * HALF),
        ThinkingPart(text="", data={"encrypted": ["x" * HALF]}),
        ImagePart.model_construct(data=DATA, media_type="image/png"),
        ImagePart(url="data:image/png;base64," + "x" * HALF),
        FilePart.model_construct(data=DATA, media_type="application/pdf"),
        FilePart.model_construct(data=b"x" * HALF, media_type="text/plain"),
        ToolCall(id="a", name="a", arguments={"a": ["x" * HALF]}),
        ToolCall(id="a", name="a", malformed="x" * HALF),
        ToolResult(call_id="a", name="a", content="x" * HALF),
    ],
    ids=[
        "text",
        "thought",
        "signed thought",
        "image",
        "data URL",
        "file",
        "text file",
        "call",
        "malformed call",
        "result",
    ],
)
def test_all_that_is_sent_counts(part: ContentPart) -> None:
    check_request_size(_request(part))
    with pytest.raises(ContextTooLong, match="more than 1,000 characters"):
        check_request_size(_request(part, part))
