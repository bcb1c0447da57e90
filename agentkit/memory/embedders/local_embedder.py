"""The base class of embedding models in this process: one thread loads and runs the model."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agentkit.errors import LongTermMemoryError, MemoryMisconfigured
from agentkit.interfaces import EmbeddedKind
from agentkit.memory.embedders.embedded_text import embeddable

__all__ = ["LocalEmbedder"]

_TEXTS_AT_ONCE = 16
"""Number of texts in one job of the thread; between jobs other calls run, so that a query doesn't wait for an index."""


class LocalEmbedder(ABC):
    """A model in this process. The first text loads it, and it runs in a thread of its own.

    Documents and queries are treated alike. A text's vector doesn't depend on the other texts of the call.
    """

    def __init__(self, name: str, dimension: int) -> None:
        self._name = name
        self._dimension = dimension
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"embedder-{name}")

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self._dimension

    async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        """Return the vector of each text, of length 1; only the beginning of a long text is embedded.

        Raises:
            MemoryMisconfigured: the model can't be loaded.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = [embeddable(text) for text in texts[start : start + _TEXTS_AT_ONCE]]
            vectors += await asyncio.get_running_loop().run_in_executor(self._thread, self._embed_batch, batch)
        return vectors

    async def aclose(self) -> None:
        """Stop the thread."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        try:
            return self._vectors(texts)
        except LongTermMemoryError:
            raise
        except Exception as error:
            # The engines don't document what they raise. A retry would load and run the same files.
            message = f"The embedding model {self._name} can't be used: {type(error).__name__}: {error}"
            raise MemoryMisconfigured(message) from error

    @abstractmethod
    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the vector of each text, of length 1; load the model if this is the first call."""
