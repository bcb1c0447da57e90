"""Models behind OpenAI's APIs: OpenAI's own, and any server that speaks one of them."""

from __future__ import annotations

from functools import partial
from typing import Literal

from agentkit.llm.openai.chat import ChatWire
from agentkit.llm.openai.chat_request import chat_body
from agentkit.llm.openai.client import Endpoint, Hear, StreamingModel
from agentkit.llm.openai.responses_request import ResponsesWire

__all__ = ["OpenAIModel"]

_OPENAI_URL = "https://api.openai.com/v1"


class OpenAIModel(StreamingModel):
    """One provider, one client with its connection pool; always streams, never retries.

    Example:
        ``OpenAIModel(api_key="...")``, or ``OpenAIModel(base_url="http://127.0.0.1:11434/v1")`` for Ollama.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        api: Literal["responses", "chat"] | None = None,
        provider: str = "openai",
        key_variable: str = "OPENAI_API_KEY",
        connect_timeout: float = 10.0,
        first_timeout: float = 180.0,
        idle_timeout: float = 60.0,
        hear: Hear | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers that need none.
            base_url: where the server is, up to ``/v1``; None is OpenAI's own.
            api: what is spoken; None is Responses with OpenAI itself, and Chat Completions with other servers, of
                which few know Responses.
            provider: how errors call it.
            key_variable: the environment variable that errors name when the key is refused.
            connect_timeout: seconds until the connection stands.
            first_timeout: seconds until the model says its first word; some think for minutes in silence.
            idle_timeout: seconds between two pieces of an answer after that.
            hear: is told the headers of each answer.
        """
        endpoint = Endpoint(
            provider=provider,
            base_url=base_url or _OPENAI_URL,
            key=api_key,
            key_variable=key_variable,
            connect_timeout=connect_timeout,
            first_timeout=first_timeout,
            idle_timeout=idle_timeout,
        )
        spoken = api or ("responses" if base_url is None else "chat")
        chat = partial(ChatWire, body=partial(chat_body, provider=provider))
        super().__init__(endpoint, ResponsesWire if spoken == "responses" else chat, hear)
