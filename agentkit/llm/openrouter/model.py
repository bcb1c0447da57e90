"""Models behind OpenRouter, which passes requests on to many providers and reports the cost of each response."""

from __future__ import annotations

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.chat_request import ChatCompletionsApi, chat_body
from agentkit.llm.openai.compatible_model import OpenAICompatibleModel
from agentkit.llm.shared.streaming_model import DEFAULT_OPTIONS, ModelOptions

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
        options: ModelOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            api_key: OpenRouter's key.
            base_url: None is OpenRouter's own address.
            referer: the address of your site, for OpenRouter's rankings.
            title: the name of your application, for the same.
            options: timeouts, limits, and fields to leave out.
        """
        headers = {"HTTP-Referer": referer, "X-Title": title}
        super().__init__(
            ChatCompletionsApi(provider=_PROVIDER, body=openrouter_body),
            provider=_PROVIDER,
            base_url=base_url or _OPENROUTER_URL,
            api_key=api_key,
            key_variable="OPENROUTER_API_KEY",
            headers={key: value for key, value in headers.items() if value},
            options=options,
        )


def openrouter_body(request: ModelRequest, provider: str = _PROVIDER) -> dict[str, object]:
    """Return a request's body without the model's name: that of Chat Completions with OpenRouter's own fields."""
    body = chat_body(request, provider)
    # OpenRouter accepts a number of tokens, and translates it for each model.
    body.pop("reasoning_effort", None)
    budget = request.settings.thinking_budget
    own: dict[str, object] = {"usage": {"include": True}}
    if budget is not None:
        own["reasoning"] = {"max_tokens": budget} if budget else {"effort": "none"}
    omitted = request.settings.omit or ()
    return body | {key: value for key, value in own.items() if key not in omitted}
