from __future__ import annotations

import pytest

from agentkit.llm.shared.user_content import file_text, user_content
from agentkit.messages import FilePart, ImagePart, Message, TextPart, user_message

PDF = FilePart(data=b"JVBERg==", media_type="application/pdf")
IMAGE = ImagePart(url="https://example.org/a.png")


@pytest.mark.parametrize("parts", [(), (TextPart(text=" \n"),)], ids=["none", "blank"])
def test_a_message_without_content_says_so_because_providers_reject_an_empty_one(parts: tuple[TextPart, ...]) -> None:
    assert user_content(Message(role="user", parts=parts)) == [TextPart(text="(no text)")]


def test_parts_keep_their_order_and_blank_texts_are_left_out() -> None:
    parts = (TextPart(text="Compare."), TextPart(text=" "), PDF, IMAGE)
    assert user_content(user_message(parts)) == [TextPart(text="Compare."), PDF, IMAGE]


def test_a_file_that_is_text_becomes_text_with_its_name_and_type() -> None:
    file = FilePart(data=b"e30=", media_type="application/vnd.api+json", name='a "b".json')
    text = '<file name="a \\"b\\".json" media_type="application/vnd.api+json">\n{}\n</file>'
    assert user_content(user_message((file,))) == [TextPart(text=text)]
    assert file_text(file) == text
