"""Models, tools and checks that wait until a test lets them go on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse, OutputCheck
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import ScriptedModel
from tests.workflows.conftest import TIMEOUT_S

__all__ = ["GatedChecker", "GatedModel", "GatedTool"]


class GatedModel:
    """A model whose first response waits for a gate; it emits some words first."""

    def __init__(self, scripted: ScriptedModel) -> None:
        self.scripted = scripted
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        if emit is not None:
            emit(ModelDelta(kind="text", text="So far "))
        if not self.asked.is_set():
            self.asked.set()
            await self.gate.wait()
        return await self.scripted.respond(request, emit)

    async def aclose(self) -> None:
        pass


class GatedTool:
    """A tool whose calls wait for a gate."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        self.started.set()
        await self.gate.wait()
        return "worked"


class GatedChecker(InlineOutputChecker):
    """A checker whose checks of what people gave wait for a gate."""

    def __init__(self) -> None:
        self.checking = asyncio.Semaphore(0)
        self.gate = asyncio.Event()

    async def until_checking(self, count: int) -> None:
        """Return when so many further checks have begun."""
        for _ in range(count):
            await asyncio.wait_for(self.checking.acquire(), TIMEOUT_S)

    async def check_value(self, value: JsonValue, schema: Mapping[str, JsonValue]) -> OutputCheck:
        self.checking.release()
        await self.gate.wait()
        return await super().check_value(value, schema)
