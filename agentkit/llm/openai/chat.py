"""Speak Chat Completions, as nearly every server does."""

from __future__ import annotations

from collections.abc import Callable

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.chat_stream import ChatAnswer

__all__ = ["ChatWire"]


class ChatWire:
    """The Chat Completions API of one client; ``body`` writes what is asked, but for the model's name."""

    def __init__(self, client: AsyncOpenAI, body: Callable[[ModelRequest], dict[str, object]]) -> None:
        self._completions = client.chat.completions  # here, as the SDK imports it (0.3 s) on first use
        self._body = body

    async def ask(self, request: ModelRequest) -> AsyncStream[ChatCompletionChunk]:
        """Send a request."""
        return await self._completions.create(
            model=request.model.partition(":")[2] or request.model,
            messages=(),
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=request.settings.extra_headers,
            extra_body=self._body(request),  # which wins; the SDK walks `messages` by their types, 20 ms of CPU for 100
        )

    def answer(self, request: ModelRequest, emit: Emit | None) -> ChatAnswer:
        """Begin to read the answer."""
        return ChatAnswer(request, emit)
