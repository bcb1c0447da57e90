"""Embeddings of scripted servers: vectors of words, the same for the same text, near each other for shared words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from agentkit.testing.server_script import ReceivedRequest

__all__ = ["DEFAULT_DIMENSION", "ReceivedEmbeddingRequest", "hashed_vector"]

DEFAULT_DIMENSION = 64
"""How many numbers the vectors have if a request doesn't say."""


@dataclass(frozen=True, slots=True)
class ReceivedEmbeddingRequest(ReceivedRequest):
    """One request for the vectors of texts, in the provider's format."""

    texts: Sequence[str] = ()


def hashed_vector(text: str, dimension: int = DEFAULT_DIMENSION) -> list[float]:
    """Return how often each word of a text occurs, at the word's hash modulo ``dimension``; not of length 1."""
    vector = [0.0] * dimension
    for word in re.findall(r"\w+", text.lower()) or [text]:
        vector[crc32(word.encode(errors="replace")) % dimension] += 1.0
    return vector
