"""Bodies of operations: JSON, forms, files and texts."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from pydantic import JsonValue

from agentkit.errors import ToolArgumentsInvalid
from agentkit.openapi.openapi_parameters import form_pairs, scalar_text

__all__ = ["FILE_SCHEMA", "Body", "PropertyEncoding", "is_json_type", "media_rank"]

FILE_SCHEMA: Mapping[str, JsonValue] = {
    "type": "object",
    "description": "A file: its text as content, or its bytes as base64.",
    "properties": {
        "filename": {"type": "string"},
        "content": {"type": "string"},
        "base64": {"type": "string"},
        "media_type": {"type": "string", "description": "Such as text/csv."},
    },
    "required": ["filename"],
    "additionalProperties": False,
}
"""What a model gives for a file."""

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_RANKS = ("application/json", "+json", MULTIPART, FORM, "text/", "")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")


@dataclass(frozen=True)
class PropertyEncoding:
    """How a property of a form is sent."""

    media_type: str | None = None
    explode: bool = True


@dataclass(frozen=True)
class Body:
    """The body of an operation, and the name of the argument that it is made of."""

    argument: str
    media_type: str
    required: bool = False
    encodings: Mapping[str, PropertyEncoding] = field(default_factory=dict)
    """Of the form's properties."""

    def encode(self, value: JsonValue) -> tuple[str, bytes]:
        """Return the content type and the bytes.

        Raises:
            ToolArgumentsInvalid: a file has neither content nor base64, or no valid one.
        """
        if is_json_type(self.media_type):
            return self.media_type, json.dumps(value).encode()
        if self.media_type == FORM and isinstance(value, dict):
            pairs = [pair for name, item in value.items() for pair in self._form_pairs(name, item)]
            return self.media_type, urlencode(pairs).encode()
        if self.media_type == MULTIPART and isinstance(value, dict):
            boundary = f"opspawn-{secrets.token_hex(16)}"
            parts = b"".join(part for name, item in value.items() for part in self._parts(name, item, boundary))
            return f"{MULTIPART}; boundary={boundary}", parts + f"--{boundary}--\r\n".encode()
        if self.media_type.startswith("text/") or not isinstance(value, dict):
            return self.media_type, scalar_text(value).encode()
        return self.media_type, _file_bytes(self.argument, value)

    def _form_pairs(self, name: str, value: JsonValue) -> list[tuple[str, str]]:
        encoding = self.encodings.get(name, PropertyEncoding())
        is_json = is_json_type(encoding.media_type or "") or isinstance(value, dict)
        return form_pairs(name, value, explode=encoding.explode, is_json=is_json)

    def _parts(self, name: str, value: JsonValue, boundary: str) -> list[bytes]:
        items = value if isinstance(value, list) else [value]
        return [self._part(name, item, boundary) for item in items]

    def _part(self, name: str, value: JsonValue, boundary: str) -> bytes:
        declared = self.encodings.get(name, PropertyEncoding()).media_type
        disposition = f'form-data; name="{_quoted(name)}"'
        if isinstance(value, dict) and "filename" in value and ("content" in value or "base64" in value):
            content = _file_bytes(name, value)
            disposition += f'; filename="{_quoted(str(value["filename"]))}"'
            media_type = str(value.get("media_type") or declared or "application/octet-stream")
        elif isinstance(value, dict | list):
            content, media_type = json.dumps(value).encode(), declared or "application/json"
        else:
            content, media_type = scalar_text(value).encode(), declared or ""
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
        if _MEDIA_TYPE.fullmatch(media_type.partition(",")[0]):
            head += f"Content-Type: {media_type.partition(',')[0]}\r\n"
        return head.encode() + b"\r\n" + content + b"\r\n"


def is_json_type(media_type: str) -> bool:
    """Return whether a media type is JSON."""
    name = media_type.partition(";")[0].strip().lower()
    return name == "application/json" or name.endswith("+json")


def media_rank(media_type: str) -> int:
    """Return the place of a media type in the order of preference: JSON first."""
    name = media_type.partition(";")[0].strip().lower()
    return next(index for index, known in enumerate(_RANKS) if name.startswith(known) or name.endswith(known))


def _file_bytes(name: str, value: Mapping[str, JsonValue]) -> bytes:
    if isinstance(text := value.get("content"), str):
        return text.encode()
    try:
        return base64.b64decode(str(value["base64"]), validate=True)
    except (KeyError, ValueError):  # also of characters outside ASCII
        raise ToolArgumentsInvalid(
            f"{name}: a file needs content (text) or base64 (its bytes). Nothing was sent."
        ) from None


def _quoted(text: str) -> str:
    """Return a text for a header's parameter, as browsers encode it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
