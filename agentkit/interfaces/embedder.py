"""The Protocol of embedding models: texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

__all__ = ["EmbeddedKind", "Embedder"]

EmbeddedKind = Literal["document", "query"]
"""Whether a text is stored or searched with. Some models treat the two differently."""


class Embedder(Protocol):
    """Computes the vectors of texts; safe for concurrent use."""

    @property
    def name(self) -> str:
        """The model's name, such as ``minilm`` or ``openai:text-embedding-3-small``. Vectors of different names can't
        be compared."""
        ...

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        ...

    async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        """Return the vector of each text, of length 1.

        Raises:
            MemoryUnavailable: the model doesn't respond; a retry may succeed.
            MemoryMisconfigured: it can't be used with these settings.
        """
        ...

    async def aclose(self) -> None:
        """Release connections, threads and models. Called at most once."""
        ...
