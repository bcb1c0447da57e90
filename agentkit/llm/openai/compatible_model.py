"""A model behind OpenAI's SDK. An ``OpenAIApi`` defines the format of requests and responses."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from openai import AsyncOpenAI, AsyncStream, Timeout

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.errors import FAILURES, model_error
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.response_builder import ResponseBuilder
from agentkit.llm.shared.server_events import check_no_error, read_events
from agentkit.llm.shared.streaming_model import (
    DEFAULT_TIMEOUTS,
    PLACEHOLDER_KEY,
    OnHeaders,
    ResponseTimeouts,
    StreamingModel,
)

__all__ = ["OpenAIApi", "OpenAICompatibleModel", "OpenAIResponseBuilder"]


class OpenAIResponseBuilder(ResponseBuilder):
    """Builds the response to one request from what an API of OpenAI's SDK sends."""

    @abstractmethod
    def add(self, received: object) -> None:
        """Add the next event of the stream, as parsed JSON.

        Raises:
            ProviderStreamError: the provider reports an error.
            ModelOutputInvalid: the response is too long.
            ValidationError: it is no event of this API.
        """

    @abstractmethod
    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream, as parsed JSON; raises like ``add``."""

    @abstractmethod
    def add_end(self) -> None:
        """Add ``[DONE]``: the server has sent all that it has."""


class OpenAIApi(Protocol):
    """One of the APIs that OpenAI's SDK supports."""

    @property
    def optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        """The fields that a request can do without, each with the pattern of its name in error messages."""
        ...

    def body(self, request: ModelRequest) -> Mapping[str, object]:
        """Return a request's body, without the model's name."""
        ...

    async def open_stream(self, request: ModelRequest) -> AsyncStream[Any]:
        """Send a request, and return the stream of response events."""
        ...

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> OpenAIResponseBuilder:
        """Return a builder for the response to ``request``."""
        ...


class OpenAICompatibleModel(StreamingModel[OpenAIResponseBuilder]):
    """A model of any provider that OpenAI's SDK can be used with."""

    failures = FAILURES

    def __init__(
        self,
        api: Callable[[AsyncOpenAI], OpenAIApi],
        *,
        provider: str,
        base_url: str,
        api_key: str | None,
        key_variable: str,
        headers: Mapping[str, str] | None = None,
        timeouts: ResponseTimeouts = DEFAULT_TIMEOUTS,
        on_headers: OnHeaders | None = None,
        omit: Collection[str] = (),
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api: builds the API on the client.
            provider: the name in error messages.
            base_url: the server's address, up to ``/v1``.
            api_key: None for servers without keys.
            key_variable: the environment variable that errors name if the key is refused.
            headers: sent with each request.
            timeouts: how long to wait for the server.
            on_headers: receives the headers of each response.
            omit: fields of the API that are left out of all requests.
        """
        key = api_key or PLACEHOLDER_KEY
        endpoint = ProviderEndpoint(provider, public_url(base_url), key_variable, key)
        super().__init__(endpoint, timeouts, on_headers, omit)
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            timeout=Timeout(timeouts.longest, connect=timeouts.connect),
            default_headers=headers,
        )
        self._api = api(self._client)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> OpenAIResponseBuilder:
        return self._api.new_builder(request, emit)

    async def _receive(
        self, request: ModelRequest, builder: OpenAIResponseBuilder, on_event: Callable[[], None]
    ) -> None:
        async with await self._api.open_stream(request) as stream:
            self._on_headers(request.model, stream.response.headers)
            # Not the stream's own events: the SDK fails on those without data, and reads no JSON body.
            async with aclosing(read_events(stream.response.aiter_bytes())) as events:
                async for event in events:
                    check_no_error(event)
                    match event.kind:
                        case "event":
                            builder.add(event.data)
                        case "body":
                            builder.add_complete(event.data)
                        case "end":
                            builder.add_end()
                    on_event()

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return self._api.optional_fields

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return self._api.body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)
