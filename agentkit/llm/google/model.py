"""Gemini behind Google's Gemini API, and models of any server with this API."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx2

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.google.address import GOOGLE_URL, google_api_url
from agentkit.llm.google.errors import FAILURES, GoogleFailure, model_error
from agentkit.llm.google.request import OPTIONAL_FIELDS, gemini_body
from agentkit.llm.google.stream import GeminiResponseBuilder
from agentkit.llm.shared.streaming_model import DEFAULT_OPTIONS, PLACEHOLDER_KEY, ModelOptions, StreamingModel

__all__ = ["GoogleModel"]


class GoogleModel(StreamingModel):
    """Gemini, or any model behind the Gemini API.

    Requests are sent without Google's SDK, whose stream reads neither other servers' events nor their JSON bodies.

    Example:
        ``GoogleModel(api_key="...")``
    """

    failures = FAILURES

    def __init__(
        self, *, api_key: str | None = None, base_url: str | None = None, options: ModelOptions = DEFAULT_OPTIONS
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers without keys.
            base_url: the server's address; None is Google's own. A version at its end, such as ``/v1``, is the
                version of the API; without one it is ``v1beta``.
            options: timeouts, limits, and fields to leave out.
        """
        key = api_key or PLACEHOLDER_KEY
        self._url = google_api_url(base_url)
        super().__init__("google", (base_url or GOOGLE_URL).rstrip("/"), key, "GOOGLE_API_KEY", options)
        self._http.headers["x-goog-api-key"] = key

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> GeminiResponseBuilder:
        return GeminiResponseBuilder(request, emit)

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return OPTIONAL_FIELDS

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return gemini_body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)

    @asynccontextmanager
    async def _open_stream(self, request: ModelRequest) -> AsyncGenerator[httpx2.Response, None]:
        name = request.model.partition(":")[2] or request.model
        path = name if "/" in name else f"models/{name}"
        async with self._http.stream(
            "POST",
            f"{self._url}/{path}:streamGenerateContent",
            params={"alt": "sse"},
            headers=request.settings.extra_headers,
            json=gemini_body(request),
        ) as response:
            if not response.is_success:
                raise GoogleFailure(response.status_code, await response.aread(), response)
            yield response
