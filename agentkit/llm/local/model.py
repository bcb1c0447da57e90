"""Real language models on this machine, with no key and no network."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

from agentkit.config.local_models import LOCAL_MODELS, local_model_path
from agentkit.errors import ConfigurationInvalid, ModelRequestRejected
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.local.server_process import LocalServer, Serving, start_server
from agentkit.llm.openai.chat_request import ChatCompletionsApi, chat_body
from agentkit.llm.openai.client import OpenAICompatibleModel
from agentkit.llm.shared.streaming_model import ResponseTimeouts
from agentkit.messages import ImagePart

__all__ = ["LocalModel"]

logger = logging.getLogger(__name__)

_MAX_OUTPUT = 1_024
"""Tokens: a small model that finds no end is cut here."""
_STARTING = 120.0
_FIRST_WORD = 540.0
"""Seconds: a full context window takes minutes to read, and one request waits for the other."""
_NEXT_WORD = 120.0
_INSTRUCTIONS = "You are a helpful assistant."
"""Where a request has none; the model's own template would put in its makers' advertisement."""


class LocalModel:
    """The ``local`` provider: a server of its own for each model asked, started on first use and closed with this.

    The models are small. They call no tools natively, and aren't told of any: give agents the planner ``react``, which
    holds them to a JSON Schema. Without a ``temperature`` they answer the same question in the same way.
    """

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._starting = asyncio.Lock()
        self._told: set[str] = set()

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask, having started the server where none is up; questions to one model are answered one by one."""
        if any(isinstance(part, ImagePart) for message in request.messages for part in message.parts):
            raise ModelRequestRejected(f"{request.model} can't see images: take a model that can")
        self._mind_tools(request)
        running = await self._up(request.model.partition(":")[2])
        asked = replace(request, tools=(), system=request.system or _INSTRUCTIONS)
        return await running.model.respond(asked, emit)

    async def aclose(self) -> None:
        """Stop the servers."""
        async with self._starting:
            while self._running:
                await self._running.popitem()[1].aclose()

    def _mind_tools(self, request: ModelRequest) -> None:
        if request.tools and request.model not in self._told:
            self._told.add(request.model)
            logger.warning(
                "%s makes no tool calls, and isn't told of the agent's tools. To have it use them: planner: react",
                request.model,
            )

    async def _up(self, name: str) -> _Running:
        """Return the running server of a model; whoever comes first starts it, the others wait."""
        async with self._starting:
            running = self._running.get(name)
            if running is not None and not running.server.alive:
                logger.warning("The server of local:%s has ended, with %s", name, running.server.process.returncode)
                await self._running.pop(name).aclose()
                running = None
            if running is None:
                running = self._running[name] = await _start(name)
            return running


class _Running:
    """A server, and the client that asks it."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.model = OpenAICompatibleModel(
            partial(ChatCompletionsApi, body=partial(chat_body, provider="openai-compatible")),
            provider="local",
            base_url=f"{server.address}/v1",
            api_key=server.key,
            key_variable="nothing: it is made anew for each server",
            # llama.cpp closes now and then a connection that it has promised to keep.
            headers={"connection": "close"},
            timeouts=ResponseTimeouts(first_output=_FIRST_WORD, idle=_NEXT_WORD),
        )

    async def aclose(self) -> None:
        """Close the connections, and end the process."""
        await self.model.aclose()
        await self.server.stop()


async def _start(name: str) -> _Running:
    try:
        path = local_model_path(name)
    except ConfigurationInvalid as error:
        raise ModelRequestRejected(str(error)) from error
    began = asyncio.get_running_loop().time()
    server = await start_server(Serving(path, LOCAL_MODELS[name].context, _MAX_OUTPUT), _STARTING)
    took = asyncio.get_running_loop().time() - began
    logger.info("Started local:%s as process %d in %.1f s", name, server.process.pid, took)
    return _Running(server)
