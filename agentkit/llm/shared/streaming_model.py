"""The part of ``Model`` that all providers share: timeouts while a response streams, and errors mapped to ours."""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

from agentkit.errors import ModelError, ModelRequestRejected
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.shared.failures import ProviderEndpoint, error_headers
from agentkit.llm.shared.refused_fields import error_text, refused_fields
from agentkit.llm.shared.response_builder import ResponseBuilder

__all__ = ["DEFAULT_TIMEOUTS", "PLACEHOLDER_KEY", "OnHeaders", "ResponseTimeouts", "StreamingModel"]

logger = logging.getLogger(__name__)

PLACEHOLDER_KEY = "unused"
"""Sent if no key is set: the SDKs require one even if the server doesn't."""

OnHeaders = Callable[[str, Mapping[str, str]], None]
"""Receives the model's name and the headers of each response, errors included: they contain rate limits."""

_REFUSING_STATUSES = (400, 422)

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
    """One provider behind ``Model``: one client with its connection pool; always streams.

    It never retries, except without optional fields that the server has just refused by name; it leaves these out of
    all later requests to that model, too.
    """

    failures: ClassVar[tuple[type[Exception], ...]]
    """The exceptions that a request may raise; ``_map_error`` maps each to a ``ModelError``."""
    pings_extend_timeout: ClassVar[bool] = False
    """Whether the provider sends events to show that a silent model is alive."""

    def __init__(
        self,
        endpoint: ProviderEndpoint,
        timeouts: ResponseTimeouts,
        on_headers: OnHeaders | None,
        omit: Collection[str] = (),
    ) -> None:
        """Set up what all providers share; nothing is sent yet. ``omit`` names fields to leave out of all requests."""
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._on_headers: OnHeaders = on_headers or _ignore_headers
        self._omit = frozenset(omit)
        self._refused: dict[str, frozenset[str]] = {}
        """By model: the optional fields that its server has refused."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(provider={self._endpoint.name!r}, base_url={self._endpoint.url!r})"

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Send the request, and return the complete response.

        Raises:
            ModelUnavailable: worth retrying.
            ModelError: any other leaf; not worth retrying.
        """
        sent = _without(request, self._omit | self._refused.get(request.model, frozenset()))
        while True:
            builder = self._new_builder(sent, emit)
            try:
                await self._receive_in_time(sent, builder)
                response = builder.build()
            except self.failures as error:
                if headers := error_headers(error):
                    self._on_headers(request.model, headers)
                mapped = self._map_error(error)
                refused = frozenset[str]() if builder.has_output else self._refused_fields(sent, error, mapped)
                if not refused:
                    # "from None": the SDK's error quotes the provider, which may quote the key.
                    raise mapped from None
                sent = _without(sent, refused)
            else:
                self._remember_refused(request, sent)
                return response

    async def _receive_in_time(self, request: ModelRequest, builder: BuilderT) -> None:
        now = asyncio.get_running_loop().time
        async with asyncio.timeout(self._timeouts.longest) as deadline:

            def extend_deadline() -> None:
                if builder.has_output or self.pings_extend_timeout:
                    deadline.reschedule(now() + self._silence_allowed(builder))

            await self._receive(request, builder, extend_deadline)

    def _refused_fields(self, request: ModelRequest, error: Exception, mapped: ModelError) -> frozenset[str]:
        """Return the optional fields of the request that an error names; empty if the error has another reason."""
        if type(mapped) is not ModelRequestRejected or mapped.status not in _REFUSING_STATUSES:
            return frozenset()
        refused = refused_fields(error_text(error), self._optional_fields) - {*(request.settings.omit or ())}
        is_sent = refused and self._body(_without(request, refused)) != self._body(request)
        return refused if is_sent else frozenset()

    def _remember_refused(self, request: ModelRequest, sent: ModelRequest) -> None:
        """Store the fields that were left out because the server refused them."""
        known = self._omit | self._refused.get(request.model, frozenset()) | {*(request.settings.omit or ())}
        if refused := {*(sent.settings.omit or ())} - known:
            self._refused[request.model] = self._refused.get(request.model, frozenset()) | refused
            logger.warning("%s refuses %s: left out from now on", request.model, ", ".join(sorted(refused)))

    @property
    @abstractmethod
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        """The fields that a request can do without, each with the pattern of its name in error messages."""

    @abstractmethod
    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        """Return the request's body."""

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


def _without(request: ModelRequest, fields: Collection[str]) -> ModelRequest:
    """Return the request with these fields added to those that its settings leave out."""
    omitted = {*(request.settings.omit or ()), *fields}
    if not fields or omitted == {*(request.settings.omit or ())}:
        return request
    return replace(request, settings=request.settings.model_copy(update={"omit": tuple(sorted(omitted))}))


def _ignore_headers(_model: str, _headers: Mapping[str, str]) -> None:
    """Do nothing."""
