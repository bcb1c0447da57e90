"""Content of MCP servers as ours."""

from __future__ import annotations

import base64

import mcp_types as types
import pytest
from pydantic import JsonValue, TypeAdapter

from agentkit.interfaces import ToolOutput
from agentkit.mcp.result_content import content_text, prompt_parts, resource_parts, tool_output
from agentkit.messages import FilePart, ImagePart, TextPart

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
BLOCKS: TypeAdapter[list[types.ContentBlock]] = TypeAdapter(list[types.ContentBlock])


def result(*content: dict[str, JsonValue], structured: JsonValue = None) -> types.CallToolResult:
    return types.CallToolResult(content=BLOCKS.validate_python(list(content)), structured_content=structured)


def text(words: str) -> dict[str, JsonValue]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(result(), None, id="nothing"),
        pytest.param(result(text("a"), text("b")), "a\nb", id="texts"),
        pytest.param(result(structured={"n": 1}), {"n": 1}, id="structured alone"),
        pytest.param(result(text('{ "n":1 }'), structured={"n": 1}), {"n": 1}, id="structured, and the same as text"),
        pytest.param(result(text("four"), structured={"result": "four"}), "four", id="wrapped text"),
        pytest.param(result(text("[FILE] a"), structured={"content": "[FILE] a"}), "[FILE] a", id="another key"),
        pytest.param(result(text("1"), text("2"), structured={"result": [1, 2]}), [1, 2], id="wrapped list"),
        pytest.param(
            result(text("One found."), structured={"n": 1}),
            {"text": "One found.", "structured_content": {"n": 1}},
            id="text and other structured content",
        ),
        pytest.param(result(text("Bad."), structured={"n": float("nan")}), "Bad.", id="structured, but no JSON"),
    ],
)
def test_text_and_structured_content_become_one_value(given: types.CallToolResult, expected: JsonValue) -> None:
    assert tool_output(given) == expected


def test_images_audio_and_binary_resources_become_files() -> None:
    output = tool_output(
        result(
            text("Two."),
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///a/b%20c.pdf", "blob": "AAAA"}},
        )
    )
    assert isinstance(output, ToolOutput)
    assert output.value == "Two."
    assert output.files is not None
    assert [(file.media_type, file.name, file.size) for file in output.files] == [
        ("image/png", None, 8),
        ("audio/wav", None, 3),
        ("application/pdf", "b c.pdf", 3),
    ]
    assert output.files[0].data == b"\x89PNG\r\n\x1a\n"


def test_links_and_texts_of_resources_are_described() -> None:
    link: dict[str, JsonValue] = {
        "type": "resource_link",
        "name": "log",
        "uri": "file:///x.log",
        "mimeType": "text/plain",
        "size": 1234,
        "description": "The log",
    }
    embedded: dict[str, JsonValue] = {"type": "resource", "resource": {"uri": "memo://1", "text": "Remember"}}
    assert tool_output(result(link, embedded)) == (
        "[Resource log, file:///x.log (text/plain, 1,234 bytes): The log]\n[memo://1]\nRemember"
    )


def test_data_that_is_not_in_base64_does_not_fail_the_call() -> None:
    bad: dict[str, JsonValue] = {"type": "image", "data": "%%%", "mimeType": "image/png"}
    assert tool_output(result(text("Done."), bad)) == "Done.\n[image/png: the server's data is not in base64]"


def test_a_note_is_added_to_text_and_to_structured_content() -> None:
    assert tool_output(result(text("Done.")), "[Note]") == "Done.\n[Note]"
    assert tool_output(result(structured={"n": 1}), "[Note]") == {"result": {"n": 1}, "note": "[Note]"}


def test_the_text_of_an_error_names_its_files() -> None:
    image: dict[str, JsonValue] = {"type": "image", "data": PNG, "mimeType": "image/png"}
    assert content_text(result(text("Failed."), image).content) == "Failed.\n[image/png, 8 bytes]"


def test_contents_of_a_resource_become_parts_of_input() -> None:
    parts = resource_parts(
        [
            types.TextResourceContents(uri="memo://1", text="Hello"),
            types.BlobResourceContents(uri="file:///a.png", blob=PNG),
            types.BlobResourceContents(uri="file:///a.pdf", blob="AAAA", mime_type="application/pdf"),
        ]
    )
    assert parts[0] == TextPart(text="Hello")
    assert isinstance(parts[1], ImagePart)
    assert parts[1].media_type == "image/png"
    assert isinstance(parts[2], FilePart)
    assert (parts[2].data, parts[2].name) == (b"\0\0\0", "a.pdf")


@pytest.mark.parametrize(
    "contents",
    [
        types.BlobResourceContents(uri="file:///a.png", blob="%%%"),
        types.BlobResourceContents(uri="file:///a.txt", blob="/w=="),
    ],
    ids=["no base64", "text that is not UTF-8"],
)
def test_contents_that_cannot_be_read_are_an_error(contents: types.BlobResourceContents) -> None:
    with pytest.raises(ValueError, match=r"base64|UTF-8"):
        resource_parts([contents])


def test_the_roles_of_several_messages_are_named() -> None:
    messages = [
        types.PromptMessage(role="user", content=types.TextContent(text="Hi")),
        types.PromptMessage(role="assistant", content=types.TextContent(text="Hello")),
    ]
    assert prompt_parts(messages[:1]) == [TextPart(text="Hi")]
    assert prompt_parts(messages) == [TextPart(text=words) for words in ("user:", "Hi", "assistant:", "Hello")]
