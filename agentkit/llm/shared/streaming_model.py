"""The part of ``Model`` that all providers share: timeouts while a response streams, and errors mapped to ours."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.shared.failures import ProviderEndpoint, error_headers
from agentkit.llm.shared.response_builder import ResponseBuilder

__all__ = ["DEFAULT_TIMEOUTS", "PLACEHOLDER_KEY", "OnHeaders", "ResponseTimeouts", "StreamingModel"]

PLACEHOLDER_KEY = "unused"
"""Sent if no key is set: the SDKs require one even if the server doesn't."""

OnHeaders = Callable[[str, Mapping[str, str]], None]
"""Receives the model's name and the headers of each response, errors included: they contain rate limits."""

BuilderT = TypeVar("BuilderT", bound=ResponseBuilder)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimeouts:
    """How long a model waits for its provider, in seconds."""

    connect: float = 10.0
    """Until the connection is established."""
    first_output: float = 180.0
    """Until the first output, and until the next one while the model thinks: some send nothing for minutes."""
    idle: float = 60.0
    """Between two events after that."""

    @property
    def longest(self) -> float:
        """The longest silence allowed anywhere in a response."""
        return max(self.first_output, self.idle)


DEFAULT_TIMEOUTS = ResponseTimeouts()


class StreamingModel(ABC, Generic[BuilderT]):
    """One provider behind ``Model``: one client with its connection pool; always streams, never retries."""

    failures: ClassVar[tuple[type[Exception], ...]]
    """What a request may raise; ``_map_error`` maps each to a ``ModelError``."""
    pings_extend_timeout: ClassVar[bool] = False
    """Whether the provider sends events to show that a silent model is alive."""

    def __init__(self, endpoint: ProviderEndpoint, timeouts: ResponseTimeouts, on_headers: OnHeaders | None) -> None:
        """Store what every provider has; nothing is sent yet."""
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._on_headers: OnHeaders = on_headers or _ignore_headers

    def __repr__(self) -> str:
        return f"{type(self).__name__}(provider={self._endpoint.name!r}, base_url={self._endpoint.url!r})"

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Send the request once, and return the complete response.

        Raises:
            ModelUnavailable: worth retrying.
            ModelError: any other leaf; not worth retrying.
        """
        builder = self._new_builder(request, emit)
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._timeouts.longest) as deadline:

                def extend_deadline() -> None:
                    if builder.has_output or self.pings_extend_timeout:
                        deadline.reschedule(now() + self._silence_allowed(builder))

                await self._receive(request, builder, extend_deadline)
            return builder.build()
        except self.failures as error:
            if headers := error_headers(error):
                self._on_headers(request.model, headers)
            # "from None": the SDK's error quotes the provider, which may quote the key.
            raise self._map_error(error) from None

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    @abstractmethod
    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> BuilderT:
        """Return the builder for one response."""

    @abstractmethod
    async def _receive(self, request: ModelRequest, builder: BuilderT, on_event: Callable[[], None]) -> None:
        """Send the request, and add each event to the builder; call ``on_event`` after each, which extends the timeout.

        It also passes the headers to ``_on_headers``.
        """

    @abstractmethod
    def _map_error(self, error: Exception) -> ModelError:
        """Return the ``ModelError`` for one of ``failures``."""

    def _silence_allowed(self, builder: BuilderT) -> float:
        waits_for_output = builder.is_thinking or not builder.has_output
        return self._timeouts.longest if waits_for_output else self._timeouts.idle


def _ignore_headers(_model: str, _headers: Mapping[str, str]) -> None:
    """Do nothing."""
