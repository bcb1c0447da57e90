"""The models of all providers, each with a scripted server that has its API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from agentkit.interfaces import Model, ModelRequest
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.google.model import GoogleModel
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.openrouter.model import OpenRouterModel
from agentkit.messages import user_message
from agentkit.testing import ScriptedAnthropicServer, ScriptedGeminiServer, ScriptedOpenAIServer
from agentkit.testing.scripted_server import ScriptedServer


@dataclass(frozen=True)
class Provider:
    """One provider's model, and a server with its API."""

    server: type[ScriptedServer]
    model: Callable[..., Model]
    model_name: str
    key_variable: str

    @property
    def name(self) -> str:
        return self.model_name.partition(":")[0]

    @property
    def request(self) -> ModelRequest:
        return ModelRequest(model=self.model_name, system="", messages=(user_message("Hi"),))


PROVIDERS = {
    "openai-chat": Provider(
        ScriptedOpenAIServer, partial(OpenAIModel, api="chat"), "openai:gpt-5-mini", "OPENAI_API_KEY"
    ),
    "openai-responses": Provider(
        ScriptedOpenAIServer, partial(OpenAIModel, api="responses"), "openai:gpt-5-mini", "OPENAI_API_KEY"
    ),
    "openrouter": Provider(ScriptedOpenAIServer, OpenRouterModel, "openrouter:openai/gpt-5-mini", "OPENROUTER_API_KEY"),
    "anthropic": Provider(ScriptedAnthropicServer, AnthropicModel, "anthropic:claude-sonnet-5", "ANTHROPIC_API_KEY"),
    "google": Provider(ScriptedGeminiServer, GoogleModel, "google:gemini-3.8-flash", "GOOGLE_API_KEY"),
}
