"""Gemini behind Google's Gemini API, and models of any server with this API."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx2
from google.genai import Client
from google.genai.errors import UnknownApiResponseError
from google.genai.types import AutomaticFunctionCallingConfig, GenerateContentConfig, HttpOptions

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.google.errors import FAILURES, PARSING_FAILURES, model_error
from agentkit.llm.google.request import gemini_body
from agentkit.llm.google.stream import GeminiChunk, GeminiResponseBuilder
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.streaming_model import (
    DEFAULT_TIMEOUTS,
    PLACEHOLDER_KEY,
    OnHeaders,
    ResponseTimeouts,
    StreamingModel,
)

__all__ = ["GoogleModel"]

_GOOGLE_URL = "https://generativelanguage.googleapis.com"
_API_VERSION = "v1beta"
"""It has all of ``v1``, and many other servers have only this one."""
_VERSION_SUFFIX = re.compile(r"/(v\d\w*)$")
_NO_AUTOMATIC_CALLS = AutomaticFunctionCallingConfig(disable=True)
"""The loop calls tools, never the SDK."""


class GoogleModel(StreamingModel[GeminiResponseBuilder]):
    """Gemini, or any model behind the Gemini API.

    Example:
        ``GoogleModel(api_key="...")``
    """

    failures = FAILURES

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeouts: ResponseTimeouts = DEFAULT_TIMEOUTS,
        on_headers: OnHeaders | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers without keys.
            base_url: the server's address; None is Google's own. A version at its end, such as ``/v1``, is the
                version of the API; without one it is ``v1beta``.
            timeouts: how long to wait for the server.
            on_headers: receives the headers of each response.
        """
        key = api_key or PLACEHOLDER_KEY
        address = (base_url or _GOOGLE_URL).rstrip("/")
        endpoint = ProviderEndpoint("google", public_url(address), "GOOGLE_API_KEY", key)
        super().__init__(endpoint, timeouts, on_headers)
        version = _VERSION_SUFFIX.search(address)
        # The SDK's own client depends on what else is installed, and has only one timeout for everything.
        self._http = httpx2.AsyncClient(event_hooks={"request": [self._set_timeout]}, follow_redirects=True)
        self._http_timeout = httpx2.Timeout(timeouts.longest, connect=timeouts.connect).as_dict()
        options = HttpOptions(
            base_url=_VERSION_SUFFIX.sub("", address),
            api_version=version[1] if version else _API_VERSION,
            httpx_async_client=self._http,
        )
        # Without ``vertexai``, the environment decides which API is used. Without retry options, the SDK doesn't retry.
        self._client = Client(api_key=key, vertexai=False, http_options=options)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()
        self._client.close()

    async def _set_timeout(self, request: httpx2.Request) -> None:
        request.extensions["timeout"] = self._http_timeout

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> GeminiResponseBuilder:
        return GeminiResponseBuilder(request, emit)

    async def _receive(
        self, request: ModelRequest, builder: GeminiResponseBuilder, on_event: Callable[[], None]
    ) -> None:
        async with aclosing(self._chunks(request)) as chunks:
            async for chunk in chunks:
                builder.add(chunk)
                on_event()

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)

    async def _chunks(self, request: ModelRequest) -> AsyncGenerator[GeminiChunk, None]:
        _, _, name = request.model.partition(":")
        config = GenerateContentConfig(
            automatic_function_calling=_NO_AUTOMATIC_CALLS,
            # Not as ``contents``: the SDK would validate them, which takes 25 ms of CPU for 100 messages instead of 1.
            http_options=HttpOptions(headers=dict(request.settings.extra_headers), extra_body={**gemini_body(request)}),
        )
        responses = await self._client.aio.models.generate_content_stream(
            model=name or request.model, contents=" ", config=config
        )
        try:
            has_headers = False
            async for response in responses:
                if not has_headers and response.sdk_http_response is not None:
                    self._on_headers(request.model, response.sdk_http_response.headers or {})
                    has_headers = True
                yield GeminiChunk.from_sdk(response)
        except PARSING_FAILURES as error:
            raise UnknownApiResponseError(str(error)) from error
