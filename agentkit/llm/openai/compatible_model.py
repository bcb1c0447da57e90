"""A model with one of OpenAI's APIs. An ``OpenAIApi`` defines the format of requests and responses."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import httpx2
import openai

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.errors import FAILURES, model_error
from agentkit.llm.shared.streaming_model import DEFAULT_OPTIONS, PLACEHOLDER_KEY, ModelOptions, StreamingModel
from agentkit.llm.shared.streams.response_builder import ResponseBuilder

__all__ = ["OpenAIApi", "OpenAICompatibleModel"]


class OpenAIApi(Protocol):
    """One of OpenAI's APIs."""

    @property
    def path(self) -> str:
        """The path of its endpoint, below the server's address."""
        ...

    @property
    def optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        """The fields that a request can do without, each with the pattern of its name in error messages."""
        ...

    def body(self, request: ModelRequest) -> Mapping[str, object]:
        """Return a request's body, without the model's name."""
        ...

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> ResponseBuilder:
        """Return a builder for the response to ``request``."""
        ...


class OpenAICompatibleModel(StreamingModel):
    """A model of any provider that OpenAI's SDK can be used with.

    The SDK's client has the address and the headers, and its errors are raised. Requests are sent without it: it would
    copy and convert them first, a third of the CPU time of a request.
    """

    failures = FAILURES

    def __init__(
        self,
        api: OpenAIApi,
        *,
        provider: str,
        base_url: str,
        api_key: str | None,
        key_variable: str,
        headers: Mapping[str, str] | None = None,
        options: ModelOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api: the format of requests and responses.
            provider: the name in error messages.
            base_url: the server's address, up to ``/v1``.
            api_key: None for servers without keys.
            key_variable: the environment variable that errors name if the key is refused.
            headers: sent with each request.
            options: timeouts, limits, and fields to leave out.
        """
        key = api_key or PLACEHOLDER_KEY
        super().__init__(provider, base_url, key, key_variable, options)
        self._api = api
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            http_client=self._http,
            default_headers=headers,
        )
        base = self._client.base_url
        self._url = base.copy_with(raw_path=base.raw_path + api.path.encode())
        self._headers: httpx2.Headers | None = None

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> ResponseBuilder:
        return self._api.new_builder(request, emit)

    @asynccontextmanager
    async def _open_stream(self, request: ModelRequest) -> AsyncGenerator[httpx2.Response, None]:
        if self._headers is None:
            self._headers = await asyncio.to_thread(_client_headers, self._client)  # which reads files of the system
        model = request.model.partition(":")[2] or request.model
        body = {"model": model, "stream": True, **self._api.body(request)}
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        headers = httpx2.Headers(self._headers)
        headers.update(request.settings.extra_headers)
        sent = self._http.build_request("POST", self._url, content=content, headers=headers)
        try:
            response = await self._http.send(sent, stream=True)
        except (ssl.SSLError, anyio.EndOfStream) as error:  # the HTTP client doesn't map all errors of TLS
            raise openai.APIConnectionError(request=sent) from error
        try:
            if not response.is_success:
                raise await _status_error(response)
            yield response
        finally:
            await response.aclose()

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return self._api.optional_fields

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return self._api.body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)


def _client_headers(client: openai.AsyncOpenAI) -> httpx2.Headers:
    """Return the headers that the SDK sends with each request."""
    headers = httpx2.Headers({"Authorization": f"Bearer {client.api_key}"})
    headers.update({name: value for name, value in client.default_headers.items() if isinstance(value, str)})
    return headers


async def _status_error(response: httpx2.Response) -> openai.APIStatusError:
    """Return the SDK's error for a response that reports one."""
    text = (await response.aread()).decode(errors="replace").strip()
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = text
    error = body.get("error", body) if isinstance(body, dict) else body
    return openai.APIStatusError(text or f"Error code: {response.status_code}", response=response, body=error)
