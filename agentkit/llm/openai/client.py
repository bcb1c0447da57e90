"""Ask over OpenAI's SDK: its client, time limits and errors. What is sent and read is up to a ``Wire``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openai import APIStatusError, AsyncOpenAI, AsyncStream, Timeout

from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.openai.errors import FAILURES, Provider, model_error

__all__ = ["Endpoint", "Hear", "StreamingModel", "Wire", "WireAnswer"]

_NO_KEY = "unused"
"""The SDK wants a key even where the server doesn't."""

Hear = Callable[[str, Mapping[str, str]], None]
"""Takes the model's name, and the headers of what its provider answers."""


class WireAnswer(Protocol):
    """One answer as it grows."""

    @property
    def begun(self) -> bool:
        """Whether the model has said anything yet."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether the model thinks in silence just now, as far as that is known."""
        ...

    def add(self, received: object) -> None:
        """Take the next event of the stream."""
        ...

    def add_whole(self, received: object) -> None:
        """Take the answer of a server that doesn't stream, as JSON."""
        ...

    def response(self) -> ModelResponse:
        """Return all of it."""
        ...


class Wire(Protocol):
    """One of the APIs that the SDK speaks."""

    async def ask(self, request: ModelRequest) -> AsyncStream[Any]:
        """Send a request."""
        ...

    def answer(self, request: ModelRequest, emit: Emit | None) -> WireAnswer:
        """Begin to read the answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider is, and how it is asked."""

    provider: str
    """How errors call it."""
    base_url: str
    key: str | None
    """None for servers that need none."""
    key_variable: str
    """The environment variable that errors name when the key is refused."""
    headers: Mapping[str, str] | None = None
    """Sent with each request."""
    connect_timeout: float = 10.0
    """Seconds until the connection stands."""
    first_timeout: float = 180.0
    """Seconds until the model says its first word, or its next after thinking; some think for minutes in silence."""
    idle_timeout: float = 60.0
    """Seconds between two pieces of an answer after that."""


class StreamingModel:
    """One provider, one client with its connection pool; always streams, never retries."""

    def __init__(self, endpoint: Endpoint, wire: Callable[[AsyncOpenAI], Wire], hear: Hear | None = None) -> None:
        """Set up the client; nothing is sent yet."""
        key = endpoint.key or _NO_KEY
        self._first_timeout = max(endpoint.first_timeout, endpoint.idle_timeout)
        self._idle_timeout = endpoint.idle_timeout
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=Timeout(self._first_timeout, connect=endpoint.connect_timeout),
            default_headers=endpoint.headers,
        )
        self._wire = wire(self._client)
        self._hear = hear or _unheard
        url = self._client.base_url.copy_with(userinfo=b"", query=None)
        self._provider = Provider(endpoint.provider, str(url).rstrip("/"), endpoint.key_variable, key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(provider={self._provider.name!r}, base_url={self._provider.url!r})"

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask, and put the streamed answer together."""
        answer = self._wire.answer(request, emit)
        try:
            async with asyncio.timeout(self._first_timeout) as deadline:
                await self._receive(request, answer, deadline)
            return answer.response()
        except FAILURES as error:
            if isinstance(error, APIStatusError):
                self._hear(request.model, error.response.headers)
            # "from None": the SDK's error quotes the provider, which may quote the key.
            raise model_error(error, self._provider) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _receive(self, request: ModelRequest, answer: WireAnswer, deadline: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time
        async with await self._wire.ask(request) as stream:
            self._hear(request.model, stream.response.headers)
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                answer.add_whole(json.loads(await stream.response.aread()))
                return
            async for received in stream:
                answer.add(received)
                if answer.begun:
                    deadline.reschedule(now() + (self._first_timeout if answer.thinks else self._idle_timeout))


def _unheard(_model: str, _headers: Mapping[str, str]) -> None:
    """Let headers pass that nobody wants."""
