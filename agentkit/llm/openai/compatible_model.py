"""A model with one of OpenAI's APIs. An ``OpenAIApi`` defines the format of requests and responses."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

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
    """A model of any provider that OpenAI's SDK can be used with."""

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

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> ResponseBuilder:
        return self._api.new_builder(request, emit)

    @asynccontextmanager
    async def _open_stream(self, request: ModelRequest) -> AsyncGenerator[httpx2.Response, None]:
        model = request.model.partition(":")[2] or request.model
        stream = await self._client.post(
            self._api.path,
            cast_to=object,  # not `chat.completions.create`, which converts fields: a third of a request's CPU time
            body={"model": model, "stream": True, **self._api.body(request)},
            options={"headers": self._named_as_own(request.settings.extra_headers)},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        async with stream:
            yield stream.response

    def _named_as_own(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers with the case of the client's own ones: the SDK would send both."""
        own = {name.lower(): name for name in self._client.default_headers} if headers else {}
        return {own.get(name.lower(), name): value for name, value in headers.items()}

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return self._api.optional_fields

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return self._api.body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)
