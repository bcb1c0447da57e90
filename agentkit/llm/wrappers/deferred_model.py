"""A model whose SDK is imported after the start of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse, ModelWait, RateLimited

__all__ = ["DeferredModel"]


class DeferredModel:
    """A model that is built by ``load``, or else by its first request.

    It is built in a thread, because importing an SDK takes up to three seconds: the event loop goes on meanwhile.
    """

    def __init__(self, provider: str, build: Callable[[], Model]) -> None:
        """``build`` is called in a thread, and again after it has failed."""
        self._provider = provider
        self._build = build
        self._model: Model | None = None
        self._building: asyncio.Future[Model] | None = None

    def __repr__(self) -> str:
        return repr(self._model) if self._model is not None else f"{type(self).__name__}({self._provider!r})"

    async def load(self) -> None:
        """Build the model, unless it is built; requests that arrive meanwhile wait for it.

        Raises:
            ModelUnavailable: it can't be built.
        """
        await self._loaded()

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Return the model's response.

        Raises:
            ModelUnavailable: the model can't be built; the next request tries it again.
            ModelError: as the model raises it.
        """
        model = self._model or await self._loaded()
        return await model.respond(request, emit)

    def waits(self) -> Sequence[ModelWait]:
        """Return the waits of the provider's models at this moment: none before a request was sent."""
        model: object = self._model
        return model.waits() if isinstance(model, RateLimited) else ()

    async def aclose(self) -> None:
        """Close the model's connections; one that is being built is closed when that is done."""
        if self._building is not None:
            await asyncio.wait([self._building])
        if self._model is not None:
            await self._model.aclose()

    async def _loaded(self) -> Model:
        """Return the model; parallel callers build it once, and a cancelled one doesn't stop that."""
        if self._model is not None:
            return self._model
        if self._building is None:
            self._building = asyncio.ensure_future(asyncio.to_thread(self._build))
            self._building.add_done_callback(self._on_built)
        try:
            return await asyncio.shield(self._building)
        except Exception as error:
            text = f"The models of {self._provider} can't be loaded by this worker: {type(error).__name__}: {error}"
            raise ModelUnavailable(text) from error

    def _on_built(self, building: asyncio.Future[Model]) -> None:
        self._building = None
        if not building.cancelled() and building.exception() is None:
            self._model = building.result()
