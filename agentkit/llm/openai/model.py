"""Models behind OpenAI's APIs: OpenAI's own, and those of any compatible server."""

from __future__ import annotations

from typing import Literal

from agentkit.llm.openai.chat_request import ChatCompletionsApi
from agentkit.llm.openai.compatible_model import OpenAICompatibleModel
from agentkit.llm.openai.responses_request import ResponsesApi
from agentkit.llm.shared.streaming_model import DEFAULT_OPTIONS, ModelOptions

__all__ = ["OpenAIModel"]

_OPENAI_URL = "https://api.openai.com/v1"


class OpenAIModel(OpenAICompatibleModel):
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
        options: ModelOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: None for servers without keys.
            base_url: the server's address, up to ``/v1``; None is OpenAI's own.
            api: None is Responses for OpenAI itself, and Chat Completions for other servers, as few of them have
                Responses.
            provider: the name in error messages.
            key_variable: the environment variable that errors name if the key is refused.
            options: timeouts, limits, and fields to leave out.
        """
        api = api or ("responses" if base_url is None else "chat")
        super().__init__(
            ResponsesApi() if api == "responses" else ChatCompletionsApi(provider=provider),
            provider=provider,
            base_url=base_url or _OPENAI_URL,
            api_key=api_key,
            key_variable=key_variable,
            options=options,
        )
