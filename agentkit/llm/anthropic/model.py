"""Claude, behind Anthropic's Messages API, or any server that speaks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from anthropic import APIStatusError, AsyncAnthropic, AsyncStream, Timeout
from anthropic.types import RawMessageStreamEvent

from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.anthropic.errors import FAILURES, AnswerFailed, model_error
from agentkit.llm.anthropic.request import wire_headers, wire_request
from agentkit.llm.anthropic.stream import Answer, Event
from agentkit.llm.openai.client import Hear
from agentkit.llm.openai.errors import Provider

__all__ = ["AnthropicModel"]

_ANTHROPIC_URL = "https://api.anthropic.com"
_NO_KEY = "unused"
"""The SDK wants a key even where the server doesn't."""


class AnthropicModel:
    """One client with its connection pool; always streams, never retries.

    Example:
        ``AnthropicModel(api_key="...")``
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
            base_url: where the server is, with or without ``/v1``; None is Anthropic's own.
            connect_timeout: seconds until the connection stands.
            first_timeout: seconds of silence before the model says its first word; some reason for minutes.
            idle_timeout: seconds of silence after that; the provider's own signs of life count.
            hear: is told the headers of each answer, such as rate limits.
        """
        self._first_timeout = max(first_timeout, idle_timeout)
        self._idle_timeout = idle_timeout
        key = api_key or _NO_KEY
        self._client = AsyncAnthropic(
            api_key=key,
            base_url=(base_url or _ANTHROPIC_URL).rstrip("/").removesuffix("/v1"),
            max_retries=0,
            timeout=Timeout(self._first_timeout, connect=connect_timeout),
            # Servers that only speak the format look for the key where the SDK put it up to its version 1.
            default_headers={"x-api-key": key} if base_url else None,
        )
        self._hear = hear
        self._messages = self._client.messages  # here, as the SDK imports it on first use
        url = self._client.base_url.copy_with(userinfo=b"", query=None)
        self._provider = Provider("anthropic", str(url).rstrip("/"), "ANTHROPIC_API_KEY", key)

    def __repr__(self) -> str:
        return f"AnthropicModel(base_url={self._provider.url!r})"

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask, and put the streamed answer together."""
        answer = Answer(request, emit)
        try:
            async with asyncio.timeout(self._first_timeout) as deadline:
                await self._receive(request, answer, deadline)
            return answer.whole()
        except FAILURES as error:
            if isinstance(error, APIStatusError):
                self._tell_headers(request, error.response.headers)
            # "from None": the SDK's error quotes the provider, which may quote the key.
            raise model_error(error, self._provider) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _receive(self, request: ModelRequest, answer: Answer, deadline: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time
        async with await self._ask(request) as stream:
            self._tell_headers(request, stream.response.headers)
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                answer.add(_checked(_whole_answer(await stream.response.aread())))
                return
            # Not the stream's own events: those leave out the pings, by which a provider that thinks long is alive.
            async for event in AsyncStream.raw_events(stream.response):
                if event.data:
                    answer.add(_checked(Event.model_validate(json.loads(event.data))))
                deadline.reschedule(now() + (self._idle_timeout if answer.begun else self._first_timeout))

    def _tell_headers(self, request: ModelRequest, headers: Mapping[str, str]) -> None:
        if self._hear is not None:
            self._hear(request.model, headers)

    async def _ask(self, request: ModelRequest) -> AsyncStream[RawMessageStreamEvent]:
        _, _, name = request.model.partition(":")
        return await self._messages.create(
            model=name or request.model,
            max_tokens=0,
            messages=(),
            stream=True,
            extra_headers=wire_headers(request),
            extra_body=wire_request(request),  # which wins over what stands above
        )


def _checked(event: Event) -> Event:
    if event.error is not None:
        raise AnswerFailed(event.error)
    return event


def _whole_answer(body: bytes) -> Event:
    """Read what a server sent that doesn't stream, though it was asked to."""
    received = json.loads(body)
    if isinstance(received, dict) and received.get("error"):
        return Event.model_validate({**received, "type": "error"})
    return Event.model_validate({"type": "message", "message": received})
