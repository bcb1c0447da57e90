"""Check the arguments of external tools before a call leaves: no code of ours receives them there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from agentkit.interfaces import OutputChecker
from agentkit.messages import ToolCall
from agentkit.runtime.loop import MAX_PARALLEL_CALLS
from agentkit.specs import AgentSpec

__all__ = ["refused_arguments"]


async def refused_arguments(checker: OutputChecker, agent: AgentSpec, calls: Sequence[ToolCall]) -> Mapping[int, str]:
    """Return what the model reads of each call whose arguments don't fit, by the call's position, from 0."""
    refusals = await asyncio.gather(*(_refusal(checker, agent, call) for call in calls[:MAX_PARALLEL_CALLS]))
    return {index: refusal for index, refusal in enumerate(refusals) if refusal is not None}


async def _refusal(checker: OutputChecker, agent: AgentSpec, call: ToolCall) -> str | None:
    tool = agent.tool(call.name)
    if tool is None or not tool.external or call.malformed is not None:
        return None
    check = await checker.check_arguments(call.arguments, tool.parameters)
    if check.failure is not None:
        return f"Not called: the arguments of {tool.name} can't be checked: {check.failure}. Go on without it."
    if check.mismatch is not None:
        return (
            f"The arguments of {tool.name} are wrong, so nothing was done. Correct them and call again:\n"
            f"{check.mismatch}"
        )
    return None
