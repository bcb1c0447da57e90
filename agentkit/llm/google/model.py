"""Gemini behind Google's Gemini API, and models of any server with this API."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager

import httpx2

from agentkit.errors import ModelError
from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.google.errors import FAILURES, GoogleFailure, model_error
from agentkit.llm.google.request import OPTIONAL_FIELDS, gemini_body
from agentkit.llm.google.stream import GeminiChunk, GeminiResponseBuilder
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.server_events import check_no_error, read_events
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
_VERSION_SUFFIX = re.compile(r"/v\d\w*$")


class GoogleModel(StreamingModel[GeminiResponseBuilder]):
    """Gemini, or any model behind the Gemini API.

    Requests are sent without Google's SDK, whose stream reads neither other servers' events nor their JSON bodies.

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
        omit: Collection[str] = (),
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers without keys.
            base_url: the server's address; None is Google's own. A version at its end, such as ``/v1``, is the
                version of the API; without one it is ``v1beta``.
            timeouts: how long to wait for the server.
            on_headers: receives the headers of each response.
            omit: fields of the API that are left out of all requests.
        """
        key = api_key or PLACEHOLDER_KEY
        address = (base_url or _GOOGLE_URL).rstrip("/")
        endpoint = ProviderEndpoint("google", public_url(address), "GOOGLE_API_KEY", key)
        super().__init__(endpoint, timeouts, on_headers, omit)
        self._url = address if _VERSION_SUFFIX.search(address) else f"{address}/{_API_VERSION}"
        self._http = httpx2.AsyncClient(
            headers={"x-goog-api-key": key},
            timeout=httpx2.Timeout(timeouts.longest, connect=timeouts.connect),
            follow_redirects=True,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> GeminiResponseBuilder:
        return GeminiResponseBuilder(request, emit)

    async def _receive(
        self, request: ModelRequest, builder: GeminiResponseBuilder, on_event: Callable[[], None]
    ) -> None:
        async with self._open_stream(request) as response:
            self._on_headers(request.model, response.headers)
            async with aclosing(read_events(response.aiter_bytes())) as events:
                async for event in events:
                    check_no_error(event)
                    match event.kind:
                        case "event":
                            builder.add(GeminiChunk.model_validate(event.data))
                        case "body":
                            builder.add(GeminiChunk.model_validate(event.data))
                            builder.add_end()
                        case "end":
                            builder.add_end()
                    on_event()

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return OPTIONAL_FIELDS

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return gemini_body(request)

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)

    @asynccontextmanager
    async def _open_stream(self, request: ModelRequest) -> AsyncGenerator[httpx2.Response, None]:
        """Send a request.

        Raises:
            GoogleFailure: the response is an error.
        """
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
