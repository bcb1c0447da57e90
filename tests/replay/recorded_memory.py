"""The memory of the recorded task that recalls, remembers and extracts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from activities.memory.memory_worker import build_memory_worker
from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from agentkit.interfaces import MemoryScope, ModelRequest, NewMemory
from agentkit.messages import ToolCall
from agentkit.specs import AgentSpec, MemorySettings
from agentkit.testing import InMemoryMemory, ScriptedModel, ScriptedResponse
from agentkit.tools.builtin.memory_tools import memory_tools

__all__ = ["remember_script", "serving_recorded_memory", "with_memory"]

_STORED = "Ada wants to see each memory once, with its date."


async def remember_script(request: ModelRequest) -> ScriptedResponse:
    """Respond with a call of ``remember``, then with text; to the extraction, with a fact."""
    if "You keep a long-term memory" in request.system:
        return '{"facts": [{"text": "Ada is pleased.", "replaces": null}]}'
    if any(message.role == "tool" for message in request.messages):
        return "Noted."
    return ToolCall(id="1", name="remember", arguments={"text": "Ada prefers short answers."})


def with_memory(agent: AgentSpec) -> AgentSpec:
    """Return the agent with all of long-term memory."""
    tools = (tool.spec.model_copy(update={"task_queue": "recorded-memory"}) for tool in memory_tools())
    settings = MemorySettings(long_term=True, recall=3, extract=True)
    return agent.model_copy(update={"tools": (*agent.tools, *tools), "memory": settings})


@asynccontextmanager
async def serving_recorded_memory(client: Client, settings: Settings) -> AsyncIterator[None]:
    """Serve a memory with one fact."""
    memory = InMemoryMemory()
    scope = MemoryScope.of("user", user=None, agent="recorded")
    await memory.remember(scope, NewMemory(text=_STORED, key="recorded"))
    reader = TranscriptReader(client, TranscriptCache(1_000_000))
    models = {"scripted": ScriptedModel(remember_script)}
    async with build_memory_worker(client, settings, memory, reader, models):
        yield
