"""An embedding model without a model: texts with the same words have the same vector."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from agentkit.interfaces import EmbeddedKind
from agentkit.memory_rules import statement_words

__all__ = ["WordEmbedder"]


class WordEmbedder:
    """An ``Embedder`` for tests: each word has a direction of its own, as far as the dimensions suffice."""

    def __init__(self, name: str = "words", dimension: int = 128) -> None:
        self.name = name
        self.dimension = dimension
        self.texts: list[str] = []
        """All that was embedded."""
        self.closed = False

    async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        """See ``Embedder``."""
        self.texts += texts
        return [self._vector(text) for text in texts]

    async def aclose(self) -> None:
        """See ``Embedder``."""
        self.closed = True

    def _vector(self, text: str) -> Sequence[float]:
        vector = [1e-3] * self.dimension
        for word in statement_words(text):
            vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dimension] += 1
        length = math.sqrt(sum(number * number for number in vector))
        return [number / length for number in vector]
