"""Report the calls of models and embedding models to the observer of the running code: a worker's telemetry."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from agentkit.interfaces import EmbeddedKind, Embedder, Emit, Model, ModelRequest, ModelResponse

__all__ = [
    "CallObserver",
    "ObservedEmbeddings",
    "ObservedModelCall",
    "observed_embeddings",
    "observed_response",
    "observing",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedModelCall:
    """A request to a model that has ended. Times are in nanoseconds since 1970."""

    request: ModelRequest
    response: ModelResponse | None
    """None: it failed, or was cancelled."""
    start_ns: int
    end_ns: int
    error_type: str | None = None
    """The name of the error's class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedEmbeddings:
    """A computation of vectors that has ended. Times are in nanoseconds since 1970."""

    model: str
    """``Embedder.name``."""
    dimension: int
    start_ns: int
    end_ns: int
    error_type: str | None = None
    """The name of the error's class."""


class CallObserver(Protocol):
    """Gets each call when it has ended; it returns at once, and never raises."""

    def on_model_call(self, call: ObservedModelCall) -> None:
        """Take a request to a model."""
        ...

    def on_embeddings(self, call: ObservedEmbeddings) -> None:
        """Take a computation of vectors."""
        ...


_observer: ContextVar[CallObserver | None] = ContextVar("opspawn_call_observer", default=None)


@contextmanager
def observing(observer: CallObserver) -> Iterator[None]:
    """Report the calls of the code inside, and of the asyncio tasks that it starts, to ``observer``."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


async def observed_response(model: Model, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
    """Return ``model.respond(request, emit)``, and report it.

    Raises:
        ModelError: as ``Model.respond`` does.
    """
    observer = _observer.get()
    if observer is None:
        return await model.respond(request, emit)
    start_ns = time.time_ns()
    response: ModelResponse | None = None
    error_type: str | None = None
    try:
        response = await model.respond(request, emit)
    except BaseException as error:
        error_type = type(error).__name__
        raise
    finally:
        observer.on_model_call(
            ObservedModelCall(
                request=request,
                response=response,
                start_ns=start_ns,
                end_ns=time.time_ns(),
                error_type=error_type,
            )
        )
    return response


async def observed_embeddings(
    embedder: Embedder, texts: Sequence[str], kind: EmbeddedKind
) -> Sequence[Sequence[float]]:
    """Return ``embedder.embed(texts, kind)``, and report it.

    Raises:
        LongTermMemoryError: as ``Embedder.embed`` does.
    """
    observer = _observer.get()
    if observer is None:
        return await embedder.embed(texts, kind)
    start_ns = time.time_ns()
    error_type: str | None = None
    try:
        return await embedder.embed(texts, kind)
    except BaseException as error:
        error_type = type(error).__name__
        raise
    finally:
        observer.on_embeddings(
            ObservedEmbeddings(
                model=embedder.name,
                dimension=embedder.dimension,
                start_ns=start_ns,
                end_ns=time.time_ns(),
                error_type=error_type,
            )
        )
