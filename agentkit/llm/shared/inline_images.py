"""Images and files as base64 text inside a request."""

from __future__ import annotations

import base64
import re

from agentkit.messages import FilePart, ImagePart

__all__ = ["data_url", "inline_image"]

_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,(.*)", re.DOTALL)


def inline_image(image: ImagePart) -> tuple[str, str] | None:
    """Return an image's media type and base64 text, or None if the image is only linked by its URL."""
    if image.data is not None:
        return image.media_type or "", base64.b64encode(image.data).decode()
    data_url = _DATA_URL.fullmatch(image.url or "")
    return (data_url[1], data_url[2]) if data_url else None


def data_url(part: ImagePart | FilePart) -> str:
    """Return an image or file as a data URL; an image that has a URL: this URL."""
    if part.data is None:
        return part.url or ""
    return f"data:{part.media_type};base64,{base64.b64encode(part.data).decode()}"
