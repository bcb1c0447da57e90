from __future__ import annotations

from base64 import b64encode

from agentkit.messages import FilePart, Message, StoredContent, ToolResult, user_message
from agentkit.token_estimates import message_tokens, request_tokens, text_tokens


def test_a_token_is_four_bytes_so_that_chinese_counts_more_than_english() -> None:
    assert text_tokens("four") == 1
    assert text_tokens("你好世界") == 3
    assert text_tokens("\ud800" * 4) == 1


def test_images_of_tools_count_while_they_are_shown() -> None:
    image = StoredContent(media_type="image/png", size=10, claim={"key": "1"})

    def result(*files: StoredContent) -> Message:
        return Message(role="tool", parts=(ToolResult(call_id="1", name="look", content="", files=files),))

    assert message_tokens([result(image, image)]) == 2_000
    assert message_tokens([result(image.model_copy(update={"claim": None}))]) == 0


def test_files_of_people_count_by_their_size() -> None:
    text = FilePart(data=b64encode(b"x" * 8_000), media_type="text/csv")
    other = FilePart(data=b64encode(b"x" * 1_000_000), media_type="application/pdf")
    assert message_tokens([user_message((text,))]) == 2_000
    assert message_tokens([user_message((other,))]) == 25_000


def test_a_request_counts_its_instructions() -> None:
    assert request_tokens("x" * 40, [user_message("x" * 40)], ()) == 20
