"""The content of a person's message in requests: text, a list of parts, or a prompt of an MCP server."""

from __future__ import annotations

import binascii
import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    Base64Encoder,
    ConfigDict,
    Discriminator,
    EncodedBytes,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    field_validator,
)

from agentkit.mcp_config.mcp_input import PromptReference, ResourceReference
from agentkit.messages import FilePart, ImagePart, InputPart, TextPart

__all__ = [
    "FileInput",
    "ImageInput",
    "PromptInput",
    "ResourceInput",
    "TaskContent",
    "TextInput",
    "message_part",
]

_BASE64 = r"^\s*(([A-Za-z0-9+/]\s*){4})*(([A-Za-z0-9+/]\s*){2}=\s*=\s*|([A-Za-z0-9+/]\s*){3}=\s*)?$"
"""What ``_StrictBase64`` decodes."""


class TextInput(TextPart):
    """Text."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"required": ["type", "text"]})


class _StrictBase64(Base64Encoder):
    """Base64 with no other characters than white space; pydantic's own decoder skips them, which breaks the image."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        """Return the bytes.

        Raises:
            ValueError: it isn't base64.
        """
        try:
            return binascii.a2b_base64(b"".join(data.split()), strict_mode=True)
        except ValueError as error:
            raise ValueError(f"Expected base64 ({error})") from None


_MEDIA_TYPE = r"^[\w.+-]+/[\w.+-]+( *;.*)?$"
_FILE_NAME = r"^[^\x00-\x1f\x7f/\\]+$"

_IMAGE_SOURCE: JsonValue = [
    {"required": ["url"], "properties": {"url": {"type": "string"}, "data": {"type": "null"}}},
    {
        "required": ["data", "media_type"],
        "properties": {
            "url": {"type": "null"},
            "data": {"type": "string"},
            "media_type": {"type": "string", "minLength": 1},
        },
    },
]
"""What ``ImagePart._one_source`` checks, in JSON Schema."""


class ImageInput(ImagePart):
    """An image, by ``url``, or as base64 ``data`` with its ``media_type``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"required": ["type"], "oneOf": _IMAGE_SOURCE}
    )

    data: Annotated[bytes, EncodedBytes(encoder=_StrictBase64)] | None = Field(
        default=None, json_schema_extra={"pattern": _BASE64}
    )


class FileInput(FilePart):
    """A file: base64 ``data`` with its ``media_type``, and a ``name``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"required": ["type", "data", "media_type"]}
    )

    data: Annotated[bytes, EncodedBytes(encoder=_StrictBase64)] = Field(json_schema_extra={"pattern": _BASE64})
    media_type: str = Field(max_length=200, json_schema_extra={"pattern": _MEDIA_TYPE})
    name: str | None = Field(default=None, max_length=255, json_schema_extra={"pattern": _FILE_NAME})

    @field_validator("media_type")
    @classmethod
    def _check_media_type(cls, media_type: str) -> str:
        if not re.fullmatch(_MEDIA_TYPE, media_type):
            raise ValueError("Expected a media type such as application/pdf")
        return media_type

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(_FILE_NAME, name):
            raise ValueError("Expected a file name such as invoice.pdf, without directories and control characters")
        return name


_SERVER = r"^[^/\x00-\x1f\x7f]+$"
_PROMPT = r"^[^/\x00-\x1f\x7f]+/[^\x00-\x1f\x7f]+$"
_ArgumentName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ResourceInput(ResourceReference):
    """A resource of an MCP server, by its `uri`; its contents take the place of this part."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"required": ["type", "uri", "server"]})

    uri: str = Field(min_length=1, max_length=2_000)
    server: str = Field(max_length=200, pattern=_SERVER)

    @property
    def reference(self) -> ResourceReference:
        """What it refers to."""
        return ResourceReference(uri=self.uri, server=self.server)


class PromptInput(PromptReference):
    """A prompt of an MCP server, `SERVER/NAME`, with its arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(max_length=500, pattern=_PROMPT)
    arguments: dict[_ArgumentName, str] = Field(default_factory=dict, max_length=100)

    @property
    def reference(self) -> PromptReference:
        """What it refers to."""
        return PromptReference(prompt=self.prompt, arguments=self.arguments)


def _input_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict | PromptInput):
        return "reference"
    return "parts" if isinstance(value, list | tuple) else None


_Part = Annotated[TextInput | ImageInput | FileInput | ResourceInput, Field(discriminator="type")]
_NOT_BLANK: JsonValue = {
    "minItems": 1,
    "contains": {
        "anyOf": [
            {"required": ["type"], "properties": {"type": {"enum": ["image", "file", "resource"]}}},
            {"required": ["text"], "properties": {"text": {"pattern": r"\S"}}},
        ]
    },
}
"""What ``_not_blank`` checks of a list, in JSON Schema."""
_Parts = Annotated[list[_Part], Field(max_length=100, json_schema_extra=_NOT_BLANK)]


def _is_blank(part: TextInput | ImageInput | FileInput | ResourceInput) -> bool:
    return isinstance(part, TextInput) and not part.text.strip()


_PartList = list[TextInput | ImageInput | FileInput | ResourceInput]


def _not_blank(value: str | _PartList | PromptInput) -> str | _PartList | PromptInput:
    if isinstance(value, PromptInput):
        return value
    blank = not value.strip() if isinstance(value, str) else all(map(_is_blank, value))
    if blank:
        raise ValueError("The input is empty. Write what the agent is to do")
    return value


TaskContent = Annotated[
    Annotated[str, Tag("text"), Field(json_schema_extra={"pattern": r"\S"})]
    | Annotated[_Parts, Tag("parts")]
    | Annotated[PromptInput, Tag("reference")],
    Discriminator(
        _input_kind,
        custom_error_type="input_kind",
        custom_error_message="Expected text, or a list of content parts such as {type: text, text: ...}, or a prompt "
        "such as {prompt: SERVER/NAME, arguments: {...}}",
    ),
    AfterValidator(_not_blank),
]
"""A discriminated union, so that errors are about the kind that was sent and not about both."""


def message_part(part: TextInput | ImageInput | FileInput) -> InputPart:
    """Return a content part as messages hold it."""
    if isinstance(part, TextInput):
        return TextPart(text=part.text)
    kind = FilePart if isinstance(part, FileInput) else ImagePart
    return kind.model_construct(**dict(part))  # valid already, and decoding bytes again costs milliseconds
