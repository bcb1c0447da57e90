"""Gemini, behind Google's Gemini API, or any server that speaks it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import httpx2
from google.genai import Client
from google.genai.errors import APIError, UnknownApiResponseError
from google.genai.types import AutomaticFunctionCallingConfig, GenerateContentConfig, HttpOptions

from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.google.errors import FAILURES, GARBLED, headers_of, model_error
from agentkit.llm.google.request import wire_request
from agentkit.llm.google.stream import Answer, Chunk
from agentkit.llm.openai.client import Hear
from agentkit.llm.openai.errors import Provider

__all__ = ["GoogleModel"]

_GOOGLE_URL = "https://generativelanguage.googleapis.com"
_API_VERSION = "v1beta"
"""Holds all that ``v1`` does, and is all that many servers know which only speak the format."""
_VERSION = re.compile(r"/(v\d\w*)$")
_NO_KEY = "unused"
"""The SDK wants a key even where the server doesn't."""
_NO_FUNCTIONS = AutomaticFunctionCallingConfig(disable=True)
"""Tools are called by the loop, never by the SDK."""


class GoogleModel:
    """One client with its connection pool; always streams, never retries.

    Example:
        ``GoogleModel(api_key="...")``
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        connect_timeout: float = 10.0,
        first_timeout: float = 180.0,
        idle_timeout: float = 60.0,
        hear: Hear | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers that need none.
            base_url: where the server is; None is Google's own. What ends in a version, such as ``/v1``, is asked
                in that version of the API, and anything else in ``v1beta``.
            connect_timeout: seconds until the connection stands.
            first_timeout: seconds until the model says its first word; some reason for minutes in silence.
            idle_timeout: seconds between two pieces of an answer after that.
            hear: is told the headers of each answer, such as rate limits.
        """
        self._first_timeout = max(first_timeout, idle_timeout)
        self._idle_timeout = idle_timeout
        self._hear = hear
        key = api_key or _NO_KEY
        address = (base_url or _GOOGLE_URL).rstrip("/")
        found = _VERSION.search(address)
        # One of ours, as the SDK's depends on what else is installed, and takes no time limit but one for everything.
        self._http = httpx2.AsyncClient(event_hooks={"request": [self._limit]}, follow_redirects=True)
        self._timeout = httpx2.Timeout(self._first_timeout, connect=connect_timeout).as_dict()
        options = HttpOptions(
            base_url=_VERSION.sub("", address),
            api_version=found[1] if found else _API_VERSION,
            httpx_async_client=self._http,
        )
        # vertexai, or the environment decides. Without options for retries, the SDK does none.
        self._client = Client(api_key=key, vertexai=False, http_options=options)
        self._generator = self._client.aio.models
        url = httpx2.URL(address).copy_with(userinfo=b"", query=None)
        self._provider = Provider("google", str(url), "GOOGLE_API_KEY", key)

    def __repr__(self) -> str:
        return f"GoogleModel(base_url={self._provider.url!r})"

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask, and put the streamed answer together."""
        answer = Answer(request, emit)
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._first_timeout) as deadline, aclosing(self._chunks(request)) as chunks:
                async for chunk in chunks:
                    answer.add(chunk)
                    if answer.begun:
                        deadline.reschedule(now() + self._idle_timeout)
            return answer.whole()
        except FAILURES as error:
            if isinstance(error, APIError):
                self._tell_headers(request, headers_of(error))
            # "from None": the SDK's error quotes the provider, which may quote the key.
            raise model_error(error, self._provider) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()
        self._client.close()

    async def _limit(self, request: httpx2.Request) -> None:
        request.extensions["timeout"] = self._timeout

    def _tell_headers(self, request: ModelRequest, headers: Mapping[str, str]) -> None:
        if self._hear is not None:
            self._hear(request.model, headers)

    async def _chunks(self, request: ModelRequest) -> AsyncGenerator[Chunk, None]:
        _, _, name = request.model.partition(":")
        config = GenerateContentConfig(
            automatic_function_calling=_NO_FUNCTIONS,
            # The SDK would walk the contents by its types: 25 ms of CPU for 100 of them, against 1.
            http_options=HttpOptions(
                headers=dict(request.settings.extra_headers), extra_body={**wire_request(request)}
            ),
        )
        received = await self._generator.generate_content_stream(
            model=name or request.model, contents=" ", config=config
        )
        try:
            heard = False
            async for one in received:
                if not heard and one.sdk_http_response is not None:
                    self._tell_headers(request, one.sdk_http_response.headers or {})
                    heard = True
                yield Chunk.read(one)
        except GARBLED as error:
            raise UnknownApiResponseError(str(error)) from error
