"""Models behind OpenRouter, which passes requests on to many providers and reports the cost of each response."""

from __future__ import annotations

from functools import partial
from typing import Any

from openai.types.chat import ChatCompletionMessageParam

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.chat_request import ChatCompletionsApi, assistant_message, chat_body, chat_messages
from agentkit.llm.openai.compatible_model import OpenAICompatibleModel
from agentkit.llm.shared.streaming_model import DEFAULT_TIMEOUTS, OnHeaders, ResponseTimeouts
from agentkit.messages import Message, ThinkingPart

__all__ = ["OpenRouterModel", "openrouter_body"]

_OPENROUTER_URL = "https://openrouter.ai/api/v1"
_PROVIDER = "openrouter"


class OpenRouterModel(OpenAICompatibleModel):
    """OpenRouter, over Chat Completions. Its model names include the maker, such as ``openai/gpt-5-mini``."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        referer: str | None = None,
        title: str | None = None,
        timeouts: ResponseTimeouts = DEFAULT_TIMEOUTS,
        on_headers: OnHeaders | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: OpenRouter's key.
            base_url: None is OpenRouter's own address.
            referer: the address of your site, for OpenRouter's rankings.
            title: the name of your application, for the same.
            timeouts: how long to wait for the server.
            on_headers: receives the headers of each response.
        """
        headers = {"HTTP-Referer": referer, "X-Title": title}
        super().__init__(
            partial(ChatCompletionsApi, body=openrouter_body),
            provider=_PROVIDER,
            base_url=base_url or _OPENROUTER_URL,
            api_key=api_key,
            key_variable="OPENROUTER_API_KEY",
            headers={key: value for key, value in headers.items() if value},
            timeouts=timeouts,
            on_headers=on_headers,
        )


def openrouter_body(request: ModelRequest) -> dict[str, object]:
    """Return a request's body without the model's name: that of Chat Completions with OpenRouter's own fields."""
    body = chat_body(request, _PROVIDER)
    body["messages"] = chat_messages(request, partial(_assistant_message, model=request.model))
    body["usage"] = {"include": True}
    # OpenRouter accepts a number of tokens, and translates it for each model.
    body.pop("reasoning_effort", None)
    budget = request.settings.thinking_budget
    if budget is not None:
        body["reasoning"] = {"max_tokens": budget} if budget else {"effort": "none"}
    return body


def _assistant_message(message: Message, model: str) -> ChatCompletionMessageParam:
    """Return a response with its reasoning, which is signed: only the model that it came from accepts it."""
    written: dict[str, Any] = dict(assistant_message(message))
    if message.model in (None, model):
        own = [part for part in message.parts if isinstance(part, ThinkingPart) and part.provider == _PROVIDER]
        if details := [detail for part in own if isinstance(part.data, list) for detail in part.data]:
            written["reasoning_details"] = details
    return written  # type: ignore[return-value]  # OpenAI's types lack OpenRouter's field
