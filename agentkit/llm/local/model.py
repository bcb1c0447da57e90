"""Language models on this machine, with no key and no network."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from agentkit.config.local_models import LOCAL_MODELS, local_model_path
from agentkit.errors import ConfigurationInvalid, ModelRequestRejected
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.local.server_process import ServerOptions, start_server
from agentkit.messages import FilePart, ImagePart

if TYPE_CHECKING:
    from agentkit.llm.local.served_model import ServedModel

__all__ = ["LocalModel"]

logger = logging.getLogger(__name__)

_MAX_OUTPUT_TOKENS = 1_024
"""A small model that doesn't stop is cut off here."""
_START_TIMEOUT_S = 120.0
_INSTRUCTIONS = "You are a helpful assistant."
"""Used for requests without instructions; otherwise the model's own template inserts its makers' text."""


class LocalModel:
    """The ``local`` provider: a server for each model, started at the first request and stopped by ``aclose``.

    The models are small. They don't call tools natively, so tools are left out of the request: use the planner
    ``react``, which constrains responses to a JSON Schema. Without a ``temperature``, the same request gets the same
    response.
    """

    def __init__(self) -> None:
        self._servers: dict[str, ServedModel] = {}
        self._servers_lock = asyncio.Lock()
        self._warned_models: set[str] = set()

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Send the request to the model's server, which is started if needed; requests to it are served one by one."""
        for part in (part for message in request.messages for part in message.parts):
            if isinstance(part, ImagePart):
                raise ModelRequestRejected(f"{request.model} can't see images: take a model that can")
            if isinstance(part, FilePart) and not part.is_text:
                raise ModelRequestRejected(f"{request.model} can't read {part.label}, only text: take a model that can")
        self._warn_if_tools_are_ignored(request)
        server = await self._running_server(request.model.partition(":")[2])
        request = replace(request, tools=(), system=request.system or _INSTRUCTIONS)
        return await server.model.respond(request, emit)

    async def aclose(self) -> None:
        """Stop the servers."""
        async with self._servers_lock:
            while self._servers:
                await self._servers.popitem()[1].aclose()

    def _warn_if_tools_are_ignored(self, request: ModelRequest) -> None:
        if request.tools and request.model not in self._warned_models:
            self._warned_models.add(request.model)
            logger.warning(
                "%s makes no tool calls, so the agent's tools are left out. To have it use them: planner: react",
                request.model,
            )

    async def _running_server(self, name: str) -> ServedModel:
        """Return the server of a model; parallel first requests start it once."""
        async with self._servers_lock:
            server = self._servers.get(name)
            if server is not None and not server.local_server.is_running:
                returncode = server.local_server.process.returncode
                logger.warning("The server of local:%s has ended, with %s", name, returncode)
                await self._servers.pop(name).aclose()
                server = None
            if server is None:
                server = self._servers[name] = await _start(name)
            return server


async def _start(name: str) -> ServedModel:
    try:
        path = local_model_path(name)
    except ConfigurationInvalid as error:
        raise ModelRequestRejected(str(error)) from error
    from agentkit.llm.local.served_model import ServedModel  # only now: most workers need no SDK of OpenAI's

    started_at = asyncio.get_running_loop().time()
    options = ServerOptions(path, LOCAL_MODELS[name].context, _MAX_OUTPUT_TOKENS)
    server = await start_server(options, _START_TIMEOUT_S)
    duration = asyncio.get_running_loop().time() - started_at
    logger.info("Started local:%s as process %d in %.1f s", name, server.process.pid, duration)
    return ServedModel(server)
