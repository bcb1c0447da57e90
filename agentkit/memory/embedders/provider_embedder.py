"""The base class of embedding models of providers: batches, limits, and errors mapped to long-term memory's."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from agentkit.errors import (
    ContextTooLong,
    LongTermMemoryError,
    MemoryMisconfigured,
    MemoryUnavailable,
    ModelError,
    ModelOutputInvalid,
    ModelUnavailable,
)
from agentkit.interfaces import EmbeddedKind
from agentkit.llm.shared.failures import ProviderEndpoint
from agentkit.llm.shared.provider_client import ProviderClient, ResponseLimits
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.memory.embedders.embedded_text import MAX_EMBEDDED_CHARS, embeddable, unit_vector

__all__ = ["EmbedderTimeouts", "ProviderEmbedder"]

logger = logging.getLogger(__name__)

_TEXTS_PER_REQUEST = 32
_MIN_CHARS = 250
"""Texts are never cut below this length, which every model takes."""
_MIB = 1_048_576
_LIMITS = ResponseLimits(total_bytes=16 * _MIB)
"""32 vectors of 4,096 numbers take 3 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderTimeouts:
    """How long an embedder waits for its provider, in seconds."""

    connect: float = 10.0
    """Until the connection is established."""
    response: float = 30.0
    """Until the response to one request has been read."""


class ProviderEmbedder(ABC):
    """A provider's model, over one client with a connection pool. A failed request is never retried."""

    failures: ClassVar[tuple[type[Exception], ...]]
    """The exceptions that a request may raise; ``_map_error`` maps each to a ``ModelError``."""

    def __init__(
        self,
        endpoint: ProviderEndpoint,
        model: str,
        *,
        known_dimension: int | None,
        requested_dimension: int | None,
        timeouts: EmbedderTimeouts,
    ) -> None:
        """Set up what all providers share; nothing is sent yet.

        Args:
            endpoint: the server.
            model: the name that the provider gives the model.
            known_dimension: how many numbers its vectors have; None: unknown.
            requested_dimension: how many the provider is asked for; None: the model's own number.
            timeouts: how long to wait.
        """
        self._endpoint = endpoint
        self._model = model
        self._requested_dimension = requested_dimension
        self._dimension = requested_dimension or known_dimension
        self._timeouts = timeouts
        self._max_chars = MAX_EMBEDDED_CHARS
        silence = timeouts.response
        self._http = ProviderClient(
            ResponseTimeouts(connect=timeouts.connect, first_byte=silence, idle=silence, content=silence), _LIMITS
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, url={self._endpoint.url!r})"

    @property
    def name(self) -> str:
        """The model's name: ``provider:model``."""
        return f"{self._endpoint.name}:{self._model}"

    @property
    def dimension(self) -> int:
        """How many numbers a vector has.

        Raises:
            RuntimeError: it is unknown until ``learn_dimension`` is called.
        """
        if self._dimension is None:
            raise RuntimeError(f"The dimension of {self.name} is known after learn_dimension() only")
        return self._dimension

    async def learn_dimension(self) -> None:
        """Find out ``dimension`` by a request, unless it is known.

        Raises:
            LongTermMemoryError: as ``embed`` does.
        """
        if self._dimension is None:
            await self.embed(["dimension"], "query")

    async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        """Return the vector of each text, of length 1; only the beginning of a long text is embedded.

        Raises:
            MemoryUnavailable: the provider doesn't respond, or not with vectors; a retry may succeed.
            MemoryMisconfigured: it refuses the key, the model or the request, or its vectors have another dimension.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _TEXTS_PER_REQUEST):
            vectors += await self._embed_batch(texts[start : start + _TEXTS_PER_REQUEST], kind)
        return vectors

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _embed_batch(self, texts: Sequence[str], kind: EmbeddedKind) -> list[list[float]]:
        while True:
            sent = [embeddable(text, self._max_chars) for text in texts]
            try:
                async with asyncio.timeout(self._timeouts.response):
                    received = await self._request(sent, kind)
            except self.failures as error:
                mapped, longest = self._map_error(error), max(map(len, sent))
                if not isinstance(mapped, ContextTooLong) or longest <= _MIN_CHARS:
                    # "from None": the SDK's error quotes the provider, which may quote the key.
                    raise self._memory_error(mapped) from None
                self._max_chars = max(_MIN_CHARS, longest // 2)
                logger.warning("%s takes no texts of %d characters: cut to %d", self.name, longest, self._max_chars)
            else:
                return self._checked(received, len(sent))

    def _checked(self, vectors: Sequence[Sequence[float]], expected: int) -> list[list[float]]:
        """Check the vectors of a response, and return them scaled to length 1."""
        if len(vectors) != expected:
            raise MemoryUnavailable(f"{self.name} sent {len(vectors)} vectors for {expected} texts")
        try:
            unit_vectors = [unit_vector(vector) for vector in vectors]
        except ValueError as error:
            raise MemoryUnavailable(f"{self.name} sent an invalid vector: {error}") from None
        for vector in unit_vectors:
            self._dimension = self._dimension or len(vector)
            if len(vector) != self._dimension:
                raise MemoryMisconfigured(
                    f"{self.name} sent a vector of {len(vector)} numbers instead of {self._dimension}: "
                    f"set AGENTKIT_LTM_DIMENSION={len(vector)}"
                )
        return unit_vectors

    def _memory_error(self, error: ModelError) -> LongTermMemoryError:
        is_transient = isinstance(error, ModelUnavailable | ModelOutputInvalid)
        kind = MemoryUnavailable if is_transient else MemoryMisconfigured
        return kind(f"Embeddings of {self.name}: {error}")

    @abstractmethod
    async def _request(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        """Send the texts in one request, and return the vectors of its response, in the order of the texts."""

    @abstractmethod
    def _map_error(self, error: Exception) -> ModelError:
        """Return the ``ModelError`` for one of ``failures``."""
