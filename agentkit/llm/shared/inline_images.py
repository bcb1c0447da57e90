"""Images as the base64 text that providers take in a request."""

from __future__ import annotations

import base64
import re

from agentkit.messages import ImagePart

__all__ = ["inline_image"]

_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,(.*)", re.DOTALL)


def inline_image(image: ImagePart) -> tuple[str, str] | None:
    """Return an image's media type and base64 text; None: it lies elsewhere, at its URL."""
    if image.data is not None:
        return image.media_type or "", base64.b64encode(image.data).decode()
    found = _DATA_URL.fullmatch(image.url or "")
    return (found[1], found[2]) if found else None
