"""A model behind OpenAI's SDK. The format of requests and responses is up to an ``OpenAIApi``."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openai import AsyncOpenAI, AsyncStream, Timeout

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.errors import FAILURES, model_error
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.response_builder import ResponseBuilder
from agentkit.llm.shared.streaming_model import (
    DEFAULT_TIMEOUTS,
    PLACEHOLDER_KEY,
    OnHeaders,
    ResponseTimeouts,
    StreamingModel,
)

__all__ = ["OpenAIApi", "OpenAICompatibleModel", "OpenAIResponseBuilder"]


class OpenAIResponseBuilder(ResponseBuilder):
    """One response of an API that OpenAI's SDK supports."""

    @abstractmethod
    def add(self, received: object) -> None:
        """Add the next event of the stream: an object of the SDK, or parsed JSON.

        Raises:
            ProviderStreamError: the provider reports an error.
            ModelOutputInvalid: the response is too long.
            ValidationError: it is no event of this API.
        """

    @abstractmethod
    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream, as parsed JSON; raises like ``add``."""


class OpenAIApi(Protocol):
    """One of the APIs that OpenAI's SDK supports."""

    async def open_stream(self, request: ModelRequest) -> AsyncStream[Any]:
        """Send a request."""
        ...

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> OpenAIResponseBuilder:
        """Return the builder for its response."""
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
        """
        key = api_key or PLACEHOLDER_KEY
        super().__init__(ProviderEndpoint(provider, public_url(base_url), key_variable, key), timeouts, on_headers)
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
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                builder.add_complete(json.loads(await stream.response.aread()))
                return
            async for event in stream:
                builder.add(event)
                on_event()

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)
