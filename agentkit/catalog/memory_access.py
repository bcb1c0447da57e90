"""Long-term memory of an agent: what its ``memory:`` gives it with these settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.memory_requirements import missing_memory_requirement
from agentkit.interfaces import MEMORY_TOOLS, memory_task_queue
from agentkit.specs import AgentDefinition, MemorySettings, ToolSpec
from agentkit.validation.validation_messages import ValidationIssue

__all__ = ["memory_issues", "on_memory_queue", "usable_memory"]


def usable_memory(definition: AgentDefinition, settings: AgentSettings) -> MemorySettings | None:
    """Return the agent's settings of long-term memory; None: it uses none, or there is none to use.

    An agent works without memory where that is off, or where what it needs isn't installed: `opspawn doctor` says so.
    """
    memory = definition.memory
    if not (memory.long_term or memory.recall or memory.extract) or settings.memory_store == "off":
        return None
    return memory if missing_memory_requirement(settings) is None else None


def memory_issues(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    """Yield the tools of memory that are listed by an agent without memory."""
    for index, name in enumerate(definition.tools):
        if name in MEMORY_TOOLS and not definition.memory.long_term:
            message = f"{name!r} is a tool of long-term memory. Write memory: {{long_term: true}}, which gives it"
            yield ValidationIssue(("tools", index), message)


def on_memory_queue(tools: Sequence[ToolSpec], settings: AgentSettings) -> tuple[ToolSpec, ...]:
    """Return the tools, those of memory with the task queue of the workers that serve it."""
    task_queue = memory_task_queue(settings.task_queue)
    return tuple(
        tool.model_copy(update={"task_queue": task_queue}) if tool.name in MEMORY_TOOLS else tool for tool in tools
    )
