"""Remove API keys from texts of a provider."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agentkit.llm.shared.surrogates import repair_surrogates

__all__ = ["redact_keys"]

_MAX_CHARS = 20_000
"""Longer texts, such as web pages of megabytes, are cut: an error message needs no more."""
_SECRET_CHARS = 8
"""How much of the key's beginning or end identifies it. Shorter keys, such as placeholders, are ordinary words."""
_REPLACEMENT = "[key]"
_KEY_LIKE = re.compile(r"\bsk-[\w*.…-]{4,}|(?<=Bearer )\S+")
"""Keys in the formats of OpenAI, Anthropic and OpenRouter, and any bearer token."""
_WORD = re.compile(r"\S+")
_QUOTED_WORD = re.compile(r"[^\s'\",]+")
_MASK = "***"
"""The characters that replace the middle of a key that a provider quotes."""


def redact_keys(text: str, key: str) -> str:
    """Return ``text`` without ``key``, words that contain its beginning or end, and anything that looks like a key.

    The text is cut to 20,000 characters, and its surrogates are repaired.
    """
    text = repair_surrogates(text[:_MAX_CHARS])
    if len(key) >= _SECRET_CHARS:
        text = text.replace(key, _REPLACEMENT)
        text = _replace_words(_WORD, (key[:_SECRET_CHARS], key[-_SECRET_CHARS:]), text)
    return _replace_words(_QUOTED_WORD, (_MASK,), _KEY_LIKE.sub(_REPLACEMENT, text))


def _replace_words(word: re.Pattern[str], marks: Sequence[str], text: str) -> str:
    return word.sub(lambda match: _REPLACEMENT if any(mark in match[0] for mark in marks) else match[0], text)
