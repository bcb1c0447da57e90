"""Claude behind Anthropic's Messages API, and models of any server with this API."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing

from anthropic import AsyncAnthropic, AsyncStream, Timeout
from anthropic.types import RawMessageStreamEvent

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.anthropic.errors import FAILURES, model_error
from agentkit.llm.anthropic.request import OPTIONAL_FIELDS, anthropic_body, anthropic_headers
from agentkit.llm.anthropic.stream import AnthropicEvent, AnthropicResponseBuilder
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.server_events import check_no_error, read_events
from agentkit.llm.shared.streaming_model import (
    DEFAULT_TIMEOUTS,
    PLACEHOLDER_KEY,
    OnHeaders,
    ResponseTimeouts,
    StreamingModel,
)

__all__ = ["AnthropicModel"]

_ANTHROPIC_URL = "https://api.anthropic.com"


class AnthropicModel(StreamingModel[AnthropicResponseBuilder]):
    """Claude, or any model behind the Messages API.

    Example:
        ``AnthropicModel(api_key="...")``
    """

    failures = FAILURES
    pings_extend_timeout = True

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeouts: ResponseTimeouts = DEFAULT_TIMEOUTS,
        on_headers: OnHeaders | None = None,
        omit: Collection[str] = (),
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers without keys.
            base_url: the server's address, with or without ``/v1``; None is Anthropic's own.
            timeouts: how long to wait for the server; its pings count as output.
            on_headers: receives the headers of each response.
            omit: fields of the API that are left out of all requests.
        """
        key = api_key or PLACEHOLDER_KEY
        address = (base_url or _ANTHROPIC_URL).rstrip("/").removesuffix("/v1")
        endpoint = ProviderEndpoint("anthropic", public_url(address), "ANTHROPIC_API_KEY", key)
        super().__init__(endpoint, timeouts, on_headers, omit)
        self._client = AsyncAnthropic(
            api_key=key,
            base_url=address,
            max_retries=0,
            timeout=Timeout(timeouts.longest, connect=timeouts.connect),
            # Other servers with this API expect the key in the header that the SDK used before its version 1.
            default_headers={"x-api-key": key} if base_url else None,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> AnthropicResponseBuilder:
        return AnthropicResponseBuilder(request, emit)

    async def _receive(
        self, request: ModelRequest, builder: AnthropicResponseBuilder, on_event: Callable[[], None]
    ) -> None:
        async with await self._open_stream(request) as stream:
            self._on_headers(request.model, stream.response.headers)
            # Not the stream's own events: they leave out the pings, which show that a silent model is alive.
            async with aclosing(read_events(stream.response.aiter_bytes())) as events:
                async for event in events:
                    check_no_error(event)
                    match event.kind:
                        case "event":
                            builder.add(AnthropicEvent.model_validate(event.data))
                        case "body":
                            builder.add(AnthropicEvent.from_body(event.data))
                        case "end":
                            builder.add_end()
                    on_event()

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return OPTIONAL_FIELDS

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return anthropic_body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)

    async def _open_stream(self, request: ModelRequest) -> AsyncStream[RawMessageStreamEvent]:
        _, _, name = request.model.partition(":")
        return await self._client.messages.create(
            model=name or request.model,
            max_tokens=0,
            messages=(),
            stream=True,
            extra_headers=anthropic_headers(request),
            extra_body=anthropic_body(request),  # replaces the values above
        )
