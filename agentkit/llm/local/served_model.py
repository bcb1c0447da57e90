"""A model that a server process of ours serves."""

from __future__ import annotations

from agentkit.llm.local.server_process import LocalServer
from agentkit.llm.openai.chat_request import ChatCompletionsApi
from agentkit.llm.openai.compatible_model import OpenAICompatibleModel
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts

__all__ = ["ServedModel"]

_OPTIONS = ModelOptions(timeouts=ResponseTimeouts(first_byte=540.0, idle=540.0, content=540.0))
"""A full context window takes minutes to process, and parallel requests wait for each other."""


class ServedModel:
    """A running server and its client."""

    def __init__(self, local_server: LocalServer) -> None:
        self.local_server = local_server
        self.model = OpenAICompatibleModel(
            ChatCompletionsApi(provider="openai-compatible"),
            provider="local",
            base_url=f"{local_server.address}/v1",
            api_key=local_server.key,
            key_variable="nothing: a new key is made for each server",
            # llama.cpp sometimes closes a connection that it has agreed to keep open.
            headers={"connection": "close"},
            options=_OPTIONS,
        )

    async def aclose(self) -> None:
        """Close the connections, and end the process."""
        await self.model.aclose()
        await self.local_server.stop()
