"""Long-term memory of an agent: what its ``memory:`` gives it, checked against the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentkit.config.agent_settings import AgentSettings
from agentkit.interfaces import MEMORY_TOOLS, memory_task_queue
from agentkit.specs import AgentDefinition, MemorySettings, ToolSpec
from agentkit.validation_messages import ValidationIssue

__all__ = ["memory_issues", "memory_settings", "on_memory_queue"]

_OFF = (
    "long-term memory is off. Leave the key out, or set AGENTKIT_LTM_PROVIDER to embedded or qdrant for all processes"
)


def memory_settings(definition: AgentDefinition) -> MemorySettings | None:
    """Return the agent's settings of long-term memory; None: it uses none."""
    memory = definition.memory
    return memory if memory.long_term or memory.recall or memory.extract else None


def memory_issues(definition: AgentDefinition, settings: AgentSettings) -> Iterator[ValidationIssue]:
    """Yield what of the agent's memory can't be: tools of memory without it, or memory that is off."""
    memory = definition.memory
    for index, name in enumerate(definition.tools):
        if name in MEMORY_TOOLS and not memory.long_term:
            message = f"{name!r} is a tool of long-term memory. Write memory: {{long_term: true}}, which gives it"
            yield ValidationIssue(("tools", index), message)
    if settings.memory_store == "off":
        for key, value in (("long_term", memory.long_term), ("recall", memory.recall), ("extract", memory.extract)):
            if value:
                yield ValidationIssue(("memory", key), _OFF)


def on_memory_queue(tools: Sequence[ToolSpec], settings: AgentSettings) -> tuple[ToolSpec, ...]:
    """Return the tools, those of memory with the task queue of the workers that serve it."""
    task_queue = memory_task_queue(settings.task_queue)
    return tuple(
        tool.model_copy(update={"task_queue": task_queue}) if tool.name in MEMORY_TOOLS else tool for tool in tools
    )
