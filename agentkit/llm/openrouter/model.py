"""Models behind OpenRouter, which passes requests on to many providers and says what each answer costs."""

from __future__ import annotations

from functools import partial
from typing import Any

from openai.types.chat import ChatCompletionMessageParam

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.chat import ChatWire
from agentkit.llm.openai.chat_request import assistant_message, chat_body, wire_messages
from agentkit.llm.openai.client import Endpoint, Hear, StreamingModel
from agentkit.messages import Message, ThinkingPart

__all__ = ["OpenRouterModel", "openrouter_body"]

_URL = "https://openrouter.ai/api/v1"
_PROVIDER = "openrouter"


class OpenRouterModel(StreamingModel):
    """OpenRouter, over Chat Completions; names of models hold their maker, such as ``openai/gpt-5-mini``."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        referer: str | None = None,
        title: str | None = None,
        first_timeout: float = 180.0,
        idle_timeout: float = 60.0,
        hear: Hear | None = None,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: OpenRouter's key.
            base_url: None is OpenRouter's own.
            referer: the address of your site, for OpenRouter's rankings.
            title: the name of your application, for the same.
            first_timeout: seconds until the model says its first word; some think for minutes in silence.
            idle_timeout: seconds between two pieces of an answer after that.
            hear: is told the headers of each answer.
        """
        named = {"HTTP-Referer": referer, "X-Title": title}
        endpoint = Endpoint(
            provider=_PROVIDER,
            base_url=base_url or _URL,
            key=api_key,
            key_variable="OPENROUTER_API_KEY",
            headers={key: value for key, value in named.items() if value},
            first_timeout=first_timeout,
            idle_timeout=idle_timeout,
        )
        super().__init__(endpoint, partial(ChatWire, body=openrouter_body), hear)


def openrouter_body(request: ModelRequest) -> dict[str, object]:
    """Return what is asked, in Chat Completions' words and OpenRouter's own."""
    body = chat_body(request, _PROVIDER)
    body["messages"] = wire_messages(request, partial(_assistant, asked=request.model))
    body["usage"] = {"include": True}
    # It takes a number of tokens, and finds the model's word for it.
    body.pop("reasoning_effort", None)
    budget = request.settings.thinking_budget
    if budget is not None:
        body["reasoning"] = {"max_tokens": budget} if budget else {"effort": "none"}
    return body


def _assistant(message: Message, asked: str) -> ChatCompletionMessageParam:
    """Return what a model said, with what it thought: signed, so that only the same model can take it back."""
    written: dict[str, Any] = dict(assistant_message(message))
    if message.model in (None, asked):
        own = [part for part in message.parts if isinstance(part, ThinkingPart) and part.provider == _PROVIDER]
        if details := [detail for part in own if isinstance(part.data, list) for detail in part.data]:
            written["reasoning_details"] = details
    return written  # type: ignore[return-value]  # its own field is in no type of OpenAI's
