"""A tool that another program serves has a spec here, and refuses its calls."""

from __future__ import annotations

import pytest

from agentkit.errors import ToolError, ToolNotServed
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.specs import ToolSpec
from agentkit.tools import ToolRegistry
from agentkit.tools.external_tool import ExternalTool

SEND = ExternalTool(ToolSpec(name="send", description="Sends.", parameters={}, task_queue="email", external=True))
REFUSAL = "served by another program: a worker of task queue 'email' that registers the activity type 'tool.send'"


def test_a_registry_lists_it_as_any_tool() -> None:
    assert ToolRegistry([SEND]).get("send").spec is SEND.spec


async def test_a_worker_that_is_asked_refuses_before_anything_starts() -> None:
    with pytest.raises(ToolNotServed, match=REFUSAL):
        await invoke_tool(SEND, {}, tool_context("t", "c", 1))


async def test_a_direct_call_is_an_error_that_says_who_serves_it() -> None:
    with pytest.raises(ToolError, match=REFUSAL):
        await SEND.call({}, tool_context("t", "c", 1))
