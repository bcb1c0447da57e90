"""Fit tool names and ids of tool calls to the characters and lengths that providers accept."""

from __future__ import annotations

import hashlib
import re

__all__ = ["fit_identifier", "provider_tool_name"]

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_TOOL_NAME = 64
"""OpenAI's limit, the smallest of all."""


def provider_tool_name(name: str) -> str:
    """Return a tool's name as OpenAI and Anthropic accept it; deterministic, and unique as far as a hash is."""
    return fit_identifier(name, _MAX_TOOL_NAME)


def fit_identifier(text: str, max_length: int) -> str:
    """Return ``text`` if it has only ASCII letters, digits, ``_`` and ``-``; otherwise a version of it with a hash."""
    plain = _FORBIDDEN.sub("_", text)
    if plain == text and 0 < len(text) <= max_length:
        return text
    return f"{plain[: max_length - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
