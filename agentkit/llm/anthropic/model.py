"""Claude behind Anthropic's Messages API, and models of any server with this API."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx2
from anthropic import AsyncAnthropic

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.anthropic.errors import FAILURES, model_error
from agentkit.llm.anthropic.request import OPTIONAL_FIELDS, anthropic_body, anthropic_headers
from agentkit.llm.anthropic.stream import AnthropicResponseBuilder
from agentkit.llm.shared.streaming_model import DEFAULT_OPTIONS, PLACEHOLDER_KEY, ModelOptions, StreamingModel

__all__ = ["AnthropicModel"]

_ANTHROPIC_URL = "https://api.anthropic.com"


class AnthropicModel(StreamingModel):
    """Claude, or any model behind the Messages API.

    Example:
        ``AnthropicModel(api_key="...")``
    """

    failures = FAILURES

    def __init__(
        self, *, api_key: str | None = None, base_url: str | None = None, options: ModelOptions = DEFAULT_OPTIONS
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers without keys.
            base_url: the server's address, with or without ``/v1``; None is Anthropic's own.
            options: timeouts, limits, and fields to leave out.
        """
        key = api_key or PLACEHOLDER_KEY
        address = (base_url or _ANTHROPIC_URL).rstrip("/").removesuffix("/v1")
        super().__init__("anthropic", address, key, "ANTHROPIC_API_KEY", options)
        self._client = AsyncAnthropic(
            api_key=key,
            base_url=address,
            max_retries=0,
            http_client=self._http,
            # Other servers with this API expect the key in the header that the SDK used before its version 1.
            default_headers={"x-api-key": key} if base_url else None,
        )

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> AnthropicResponseBuilder:
        return AnthropicResponseBuilder(request, emit)

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return OPTIONAL_FIELDS

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return anthropic_body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)

    @asynccontextmanager
    async def _open_stream(self, request: ModelRequest) -> AsyncGenerator[httpx2.Response, None]:
        _, _, name = request.model.partition(":")
        stream = await self._client.messages.create(
            model=name or request.model,
            max_tokens=0,
            messages=(),
            stream=True,
            extra_headers=anthropic_headers(request),
            extra_body=anthropic_body(request),  # replaces the values above
        )
        async with stream:
            yield stream.response
