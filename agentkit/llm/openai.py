"""Models behind OpenAI's Chat Completions: OpenAI's own, and any server that speaks it."""

from __future__ import annotations

import asyncio
import json

import httpx2
from openai import APIError, AsyncOpenAI, AsyncStream, Timeout
from openai.types.chat import ChatCompletionChunk

from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.openai_answer import Answer
from agentkit.llm.openai_errors import FAILURES, Provider, model_error
from agentkit.llm.openai_wire import Chunk, wire_messages, wire_settings, wire_tools

__all__ = ["OpenAIModel"]

_OPENAI_URL = "https://api.openai.com/v1"
_NO_KEY = "unused"
"""The SDK wants a key even where the server doesn't."""


class OpenAIModel:
    """One provider, one client with its connection pool; always streams, never retries.

    Example:
        ``OpenAIModel(api_key="...")``, or ``OpenAIModel(base_url="http://127.0.0.1:11434/v1")`` for Ollama.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        provider: str = "openai",
        key_variable: str = "OPENAI_API_KEY",
        connect_timeout: float = 10.0,
        first_timeout: float = 180.0,
        idle_timeout: float = 60.0,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers that need none.
            base_url: where the server is, up to ``/v1``; None is OpenAI's own.
            provider: how errors call it.
            key_variable: the environment variable that errors name when the key is refused.
            connect_timeout: seconds until the connection stands.
            first_timeout: seconds until the model says its first word; some reason for minutes in silence.
            idle_timeout: seconds between two pieces of an answer after that.
        """
        self._first_timeout = max(first_timeout, idle_timeout)
        self._idle_timeout = idle_timeout
        self._client = AsyncOpenAI(
            api_key=api_key or _NO_KEY,
            base_url=base_url or _OPENAI_URL,
            max_retries=0,
            timeout=Timeout(self._first_timeout, connect=connect_timeout),
        )
        self._completions = self._client.chat.completions  # here, as the SDK imports it (0.3 s) on first use
        url = self._client.base_url.copy_with(userinfo=b"", query=None)
        self._provider = Provider(provider, str(url).rstrip("/"), key_variable, api_key or _NO_KEY)

    def __repr__(self) -> str:
        return f"OpenAIModel(provider={self._provider.name!r}, base_url={self._provider.url!r})"

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask, and put the streamed answer together."""
        answer = Answer(request, emit)
        try:
            async with asyncio.timeout(self._first_timeout) as deadline:
                await self._receive(request, answer, deadline)
            return answer.response()
        except FAILURES as error:
            # "from None": the SDK's error quotes the provider, which may quote the key.
            raise model_error(error, self._provider) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _receive(self, request: ModelRequest, answer: Answer, deadline: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time
        async with await self._ask(request) as stream:
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                answer.add(_whole_answer(await stream.response.aread(), stream.response.request))
                return
            async for received in stream:
                answer.add(Chunk.read(received))
                if answer.begun:
                    deadline.reschedule(now() + self._idle_timeout)

    async def _ask(self, request: ModelRequest) -> AsyncStream[ChatCompletionChunk]:
        _, _, name = request.model.partition(":")
        said: dict[str, object] = {"messages": wire_messages(request), **wire_settings(request, self._provider.name)}
        if request.tools:
            said["tools"] = wire_tools(request.tools)
        return await self._completions.create(
            model=name or request.model,
            messages=(),
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=request.settings.extra_headers,
            extra_body=said,  # which wins; the SDK walks `messages` by their types, 20 ms of CPU for 100 of them
        )


def _whole_answer(body: bytes, request: httpx2.Request) -> Chunk:
    """Read what a server sent that doesn't stream, though it was asked to."""
    received = json.loads(body)
    if isinstance(received, dict) and received.get("error"):
        raise APIError(str(received["error"]), request, body=received["error"])
    return Chunk.read(received)
