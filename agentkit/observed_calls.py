"""Report the calls of models and embedding models to the observer of the running code: a worker's telemetry."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypedDict, TypeVar

from agentkit.interfaces import EmbeddedKind, Embedder, Emit, Model, ModelRequest, ModelResponse

__all__ = [
    "CallObserver",
    "ObservedEmbeddings",
    "ObservedModelCall",
    "observed_embeddings",
    "observed_response",
    "observing",
]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class _End(TypedDict):
    start_ns: int
    end_ns: int
    error_type: str | None


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
    """Gets each call when it has ended; it returns at once. What it raises is logged, and fails no call."""

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

    def report(response: ModelResponse | None, end: _End) -> None:
        observer.on_model_call(ObservedModelCall(request=request, response=response, **end))

    return await _observed(model.respond(request, emit), report)


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

    def report(_: object, end: _End) -> None:
        observer.on_embeddings(ObservedEmbeddings(model=embedder.name, dimension=embedder.dimension, **end))

    return await _observed(embedder.embed(texts, kind), report)


async def _observed(call: Awaitable[_T], report: Callable[[_T | None, _End], None]) -> _T:
    """Return the result of a call, and report it, or None if the call fails; an error of ``report`` is only logged."""
    start_ns = time.time_ns()
    result: _T | None = None
    error_type: str | None = None
    try:
        result = await call
    except BaseException as error:
        error_type = type(error).__name__
        raise
    finally:
        try:
            report(result, {"start_ns": start_ns, "end_ns": time.time_ns(), "error_type": error_type})
        except Exception:
            logger.exception("A call can't be reported")
    return result
