"""The part of ``Model`` that all providers share: receive a response within limits, and map errors to ours."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import ClassVar

import httpx2

from agentkit.errors import ModelError, ModelRequestRejected
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.shared.failures import ProviderEndpoint, ResponseTooLarge, error_headers, public_url
from agentkit.llm.shared.provider_client import DEFAULT_LIMITS, ProviderClient, ResponseLimits
from agentkit.llm.shared.refused_fields import error_text, refused_fields
from agentkit.llm.shared.request_size import check_request_size
from agentkit.llm.shared.streams.response_builder import ResponseBuilder
from agentkit.llm.shared.streams.response_timeouts import DEFAULT_TIMEOUTS, ResponseTimeouts, ResponseTimer
from agentkit.llm.shared.streams.server_events import ServerEvent, check_no_error, read_events

__all__ = ["DEFAULT_OPTIONS", "PLACEHOLDER_KEY", "ModelOptions", "OnHeaders", "StreamingModel"]

logger = logging.getLogger(__name__)

PLACEHOLDER_KEY = "unused"
"""Sent if no key is set: the SDKs require one even if the server doesn't."""

OnHeaders = Callable[[str, Mapping[str, str]], None]
"""Receives the model's name and the headers of each response, errors included: they contain rate limits."""

_REFUSING_STATUSES = (400, 422)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the models of all providers can be given."""

    timeouts: ResponseTimeouts = DEFAULT_TIMEOUTS
    limits: ResponseLimits = DEFAULT_LIMITS
    on_headers: OnHeaders | None = None
    """Receives the headers of each response."""
    omit: Collection[str] = ()
    """Fields of the API that are left out of all requests."""


DEFAULT_OPTIONS = ModelOptions()


class StreamingModel(ABC):
    """One provider behind ``Model``: one client with its connection pool; always streams.

    It never retries, except without optional fields that the server has just refused by name; it leaves these out of
    all later requests to that model, too.
    """

    failures: ClassVar[tuple[type[Exception], ...]]
    """The exceptions that a request may raise; ``_map_error`` maps each to a ``ModelError``."""

    def __init__(self, provider: str, base_url: str, key: str, key_variable: str, options: ModelOptions) -> None:
        """Set up what all providers share; nothing is sent yet. For the arguments see ``ProviderEndpoint``."""
        self._endpoint = ProviderEndpoint(provider, public_url(base_url), key_variable, key)
        self._http = ProviderClient(options.timeouts, options.limits)
        self._timeouts = options.timeouts
        self._limits = options.limits
        self._on_headers: OnHeaders = options.on_headers or _ignore_headers
        self._omit = frozenset(options.omit)
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
        check_request_size(request)
        sent = _without(request, self._omit | self._refused.get(request.model, frozenset()))
        while True:
            builder = self._new_builder(sent, emit)
            try:
                await self._receive(sent, builder)
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

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _receive(self, request: ModelRequest, builder: ResponseBuilder) -> None:
        """Send the request, and add what is received to the builder."""
        async with ResponseTimer(self._timeouts, builder) as timer, self._open_stream(request) as response:
            self._on_headers(request.model, response.headers)
            chunks = timer.watch(response.aiter_bytes())
            # Not the events of an SDK: it fails on those without data, leaves out pings, and reads no JSON body.
            async with aclosing(read_events(chunks, self._limits.event_bytes)) as events:
                async for event in events:
                    check_no_error(event)
                    _add(event, builder)
                    if builder.part_count > self._limits.parts:
                        raise ResponseTooLarge(f"more than {self._limits.parts:,} texts, thoughts and calls")
                    timer.on_event()

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
    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> ResponseBuilder:
        """Return the builder for one response."""

    @abstractmethod
    def _open_stream(self, request: ModelRequest) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send the request, and return the response, of which only the headers have been read.

        It raises an error response as one of ``failures``.
        """

    @abstractmethod
    def _map_error(self, error: Exception) -> ModelError:
        """Return the ``ModelError`` for one of ``failures``."""


def _add(event: ServerEvent, builder: ResponseBuilder) -> None:
    match event.kind:
        case "event":
            builder.add(event.data)
        case "body":
            builder.add_complete(event.data)
        case "end":
            builder.add_end()


def _without(request: ModelRequest, fields: Collection[str]) -> ModelRequest:
    """Return the request with these fields added to those that its settings leave out."""
    omitted = {*(request.settings.omit or ()), *fields}
    if not fields or omitted == {*(request.settings.omit or ())}:
        return request
    return replace(request, settings=request.settings.model_copy(update={"omit": tuple(sorted(omitted))}))


def _ignore_headers(_model: str, _headers: Mapping[str, str]) -> None:
    """Do nothing."""
