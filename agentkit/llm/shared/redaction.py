"""Remove API keys from texts of a provider."""

from __future__ import annotations

import re

from agentkit.llm.shared.surrogates import repair_surrogates

__all__ = ["redact_keys"]

_MAX_CHARS = 20_000
"""Longer texts are cut, which bounds the time that the search for keys takes."""
_MIN_KEY_CHARS = 8
"""Shorter keys, such as placeholders, would match ordinary words."""
_REPLACEMENT = "[key]"
_KEY_LIKE = re.compile(r"\bsk-[\w*.…-]{4,}|(?<=Bearer )\S+")
"""Keys in the formats of OpenAI, Anthropic and OpenRouter, and any bearer token."""
_MASKED = re.compile(r"(?<![^\s'\",])[^\s'\",]*\*{3,}[^\s'\",]*")
"""Keys with asterisks in the middle, as providers echo them. The lookbehind tries each word once, at its first
character: tried at every character, a body of a few kilobytes without a space would block the event loop for seconds.
"""


def redact_keys(text: str, key: str) -> str:
    """Return ``text`` without ``key``, its first or last eight characters, or anything that looks like a key.

    The result is valid Unicode of at most 20,000 characters before replacement.
    """
    text = repair_surrogates(text[:_MAX_CHARS])
    if len(key) >= _MIN_KEY_CHARS:
        text = text.replace(key, _REPLACEMENT)
        text = re.sub(rf"(?<!\S)\S*(?:{re.escape(key[:8])}|{re.escape(key[-8:])})\S*", _REPLACEMENT, text)
    return _MASKED.sub(_REPLACEMENT, _KEY_LIKE.sub(_REPLACEMENT, text))
