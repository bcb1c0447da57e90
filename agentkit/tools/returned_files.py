"""Images and other files that a tool returns, alone or among other values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentkit.messages import StoredContent

__all__ = ["File", "Image", "split_files", "stored_file"]

_SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""The first bytes of image formats that models take."""


@dataclass(frozen=True)
class File:
    """A file that a tool returns: kept with the task, described to the model, and read through the API."""

    data: bytes
    media_type: str = "application/octet-stream"
    name: str | None = None


@dataclass(frozen=True)
class Image(File):
    """An image that a tool returns: shown to models that take images, and else as ``File``."""

    media_type: str = ""
    """By default found in the bytes of PNG, JPEG, GIF and WebP images."""

    def __post_init__(self) -> None:
        """Find the media type.

        Raises:
            ValueError: the bytes are none of those formats.
        """
        if not self.media_type:
            object.__setattr__(self, "media_type", _image_type(self.data))


def split_files(result: object) -> tuple[object, Sequence[File]]:
    """Return what a tool returned without its files, and these. They may be the result, or items of a list or tuple."""
    if isinstance(result, File):
        return None, [result]
    if not isinstance(result, list | tuple) or not any(isinstance(item, File) for item in result):
        return result, ()
    others = [item for item in result if not isinstance(item, File)]
    files = [item for item in result if isinstance(item, File)]
    match others:
        case []:
            return None, files
        case [other]:
            return other, files
    return others, files


def stored_file(file: File) -> StoredContent:
    """Return the file as part of a tool's output."""
    content = StoredContent(media_type=file.media_type, size=len(file.data), name=file.name)
    return content.model_copy(update={"data": bytes(file.data)})  # its validation would decode base64


def _image_type(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for signature, media_type in _SIGNATURES.items():
        if data.startswith(signature):
            return media_type
    raise ValueError("not a PNG, JPEG, GIF or WebP image: give its media_type, such as image/png")
