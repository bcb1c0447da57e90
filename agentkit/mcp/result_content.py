"""Content of MCP servers as ours: results of tools, resources, and messages of prompts."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import mcp_types as types
from pydantic import JsonValue

from agentkit.interfaces import ToolOutput, ToolValue
from agentkit.json_text import MAX_JSON_DEPTH, check_strict_json, is_deeper_than
from agentkit.messages import FilePart, ImagePart, InputPart, StoredContent, TextPart, is_text_type

__all__ = ["content_text", "prompt_parts", "resource_parts", "tool_output"]

_BYTES = "application/octet-stream"
_Contents = types.TextResourceContents | types.BlobResourceContents


def tool_output(result: types.CallToolResult, note: str | None = None) -> ToolValue:
    """Return the result of a tool: its text or structured content, and its files. ``note`` is for the model."""
    texts, files = _split(result.content)
    value = _value(texts, result.structured_content)
    if note is not None:
        value = f"{value}\n{note}" if isinstance(value, str) else {"result": value, "note": note}
    if not files:
        return value
    return ToolOutput(value=value, files=tuple(files))


def content_text(content: Sequence[types.ContentBlock]) -> str:
    """Return the text of contents, with a line for each that is none."""
    texts, files = _split(content)
    return "\n".join((*texts, *(f"[{file.media_type}, {file.size:,} bytes]" for file in files)))


def resource_parts(contents: Sequence[_Contents]) -> Sequence[InputPart]:
    """Return the contents of a resource.

    Raises:
        ValueError: binary content is not in base64, or text is not in UTF-8.
    """
    return [_resource_part(content) for content in contents]


def prompt_parts(messages: Sequence[types.PromptMessage]) -> Sequence[InputPart]:
    """Return the messages of a prompt; several have their roles before them.

    Raises:
        ValueError: binary content is not in base64, or text is not in UTF-8.
    """
    parts: list[InputPart] = []
    for message in messages:
        if len(messages) > 1:
            parts.append(TextPart(text=f"{message.role}:"))
        parts.append(_prompt_part(message.content))
    return parts


def _split(content: Sequence[types.ContentBlock]) -> tuple[Sequence[str], Sequence[StoredContent]]:
    """Return the texts, and the files; content that can't be decoded gives a text."""
    texts: list[str] = []
    files: list[StoredContent] = []
    for block in content:
        match block:
            case types.TextContent():
                texts.append(block.text)
            case types.ResourceLink():
                texts.append(_link_text(block))
            case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
                texts.append(f"[{resource.uri}]\n{resource.text}")
            case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
                files += _file(resource.blob, _media_type(resource), _file_name(resource.uri), texts)
            case types.ImageContent() | types.AudioContent():
                files += _file(block.data, block.mime_type, None, texts)
    return texts, files


def _file(data: str, media_type: str, name: str | None, texts: list[str]) -> Iterator[StoredContent]:
    try:
        decoded = _decoded(data)
    except ValueError:
        texts.append(f"[{media_type}: the server's data is not in base64]")
        return
    content = StoredContent(media_type=media_type or _BYTES, size=len(decoded), name=name)
    yield content.model_copy(update={"data": decoded})  # its validation would decode base64


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"data that is not in base64: {error}") from None


def _value(texts: Sequence[str], structured: JsonValue) -> JsonValue:
    """Return the texts, the structured content, or both where neither has all of the other."""
    text = "\n".join(texts) if texts else None
    if structured is None or not _is_storable(structured):
        return text
    if text is None:
        return structured
    wrapped = list(structured.values()) if isinstance(structured, dict) and len(structured) == 1 else []
    for candidate in (structured, *wrapped):
        if _says(texts, candidate):
            return candidate
    return {"text": text, "structured_content": structured}


def _is_storable(value: JsonValue) -> bool:
    try:
        check_strict_json(value)
    except (ValueError, RecursionError):
        return False
    return not is_deeper_than(value, MAX_JSON_DEPTH)


def _says(texts: Sequence[str], value: JsonValue) -> bool:
    """Return whether the texts are the value in JSON, or its items, as servers write them for older clients."""
    if len(texts) == 1:
        return texts[0] == value or _parsed(texts[0]) == [value]
    return isinstance(value, list) and len(texts) == len(value) and all(map(_is_text_of, texts, value))


def _is_text_of(text: str, value: JsonValue) -> bool:
    return text == value or _parsed(text) == [value]


def _parsed(text: str) -> list[JsonValue]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return []


def _link_text(link: types.ResourceLink) -> str:
    details = ", ".join(filter(None, (link.mime_type, f"{link.size:,} bytes" if link.size is not None else None)))
    described = f": {link.description}" if link.description else ""
    return f"[Resource {link.title or link.name}, {link.uri}{f' ({details})' if details else ''}{described}]"


def _media_type(contents: _Contents) -> str:
    return contents.mime_type or mimetypes.guess_type(urlsplit(contents.uri).path)[0] or _BYTES


def _file_name(uri: str) -> str | None:
    return PurePosixPath(unquote(urlsplit(uri).path)).name or None


def _resource_part(contents: _Contents) -> InputPart:
    if isinstance(contents, types.TextResourceContents):
        return TextPart(text=contents.text)
    return _data_part(contents.blob, _media_type(contents), _file_name(contents.uri))


def _prompt_part(content: types.ContentBlock) -> InputPart:
    match content:
        case types.TextContent():
            return TextPart(text=content.text)
        case types.ResourceLink():
            return TextPart(text=_link_text(content))
        case types.EmbeddedResource():
            return _resource_part(content.resource)
        case _:
            return _data_part(content.data, content.mime_type, None)


def _data_part(data: str, media_type: str, name: str | None) -> InputPart:
    decoded = _decoded(data)
    if media_type.startswith("image/") and not is_text_type(media_type):
        return ImagePart(data=base64.b64encode(decoded), media_type=media_type)
    return FilePart(data=base64.b64encode(decoded), media_type=media_type or _BYTES, name=name)
