from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from pydantic import JsonValue

from agentkit.errors import ToolError, ToolInvalid, ToolNotFound, ToolUnavailable
from agentkit.interfaces import Tool, ToolContext, ToolOutput
from agentkit.messages import ToolCall
from agentkit.runtime.calls.tool_invocation import invoke_tool
from agentkit.runtime.local_runner import LocalRunner
from agentkit.specs import AgentSpec, PolicyRule, ToolSpec
from agentkit.testing import ScriptedModel
from agentkit.tools import (
    ToolRegistry,
    filter_tools,
    named,
    prefix_tools,
    rename_tools,
    require_approval,
    tool,
)

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)


@tool(effect="pure", timeout=0.5)
def read(path: str) -> str:
    if path == "/":
        raise ToolError("read is for files; read one in it.")
    return f"content of {path}"


@tool(effect="irreversible", approval="never")
def write(path: str) -> str:
    return f"wrote {path}"


class Lent:
    """A ``PreparedTool``."""

    spec = ToolSpec(name="lent", description="Lend.", parameters={"type": "object"}, effect="pure")
    is_available = True

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Tool]:
        if not self.is_available:
            raise ToolUnavailable("lent was not called: it is away")
        yield read

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue | ToolOutput:
        async with self.prepared() as ready:
            return await ready.call(arguments, context)


def toolset() -> ToolRegistry:
    return ToolRegistry([read, write])


def names(tools: object) -> list[str]:
    return [spec.name for spec in tools.specs()]  # type: ignore[attr-defined]  # a Toolset


def test_a_filter_keeps_the_tools_for_which_its_test_holds() -> None:
    pure = filter_tools(toolset(), lambda spec: spec.effect == "pure")
    assert names(pure) == ["read"]
    with pytest.raises(ToolNotFound, match=r"There is no tool 'write'\. Tools: read"):
        pure.get("write")
    assert names(filter_tools(toolset(), named("w*", "x"))) == ["write"]
    assert names(filter_tools(toolset(), named("Read"))) == []


async def test_a_prefixed_tool_is_called_by_its_new_name_only() -> None:
    tools = prefix_tools(toolset(), "disk_")
    assert names(tools) == ["disk_read", "disk_write"]
    assert await invoke_tool(tools.get("disk_read"), {"path": "a"}, CONTEXT) == "content of a"
    with pytest.raises(ToolNotFound):
        tools.get("read")


def test_all_else_of_a_renamed_tools_spec_stays() -> None:
    renamed = rename_tools(toolset(), {"read": "fetch"})
    assert renamed.specs() == [read.spec.model_copy(update={"name": "fetch"}), write.spec]


def test_names_may_be_swapped() -> None:
    assert names(rename_tools(toolset(), {"read": "write", "write": "read"})) == ["write", "read"]


def test_a_name_that_is_taken_unknown_or_not_allowed_is_refused() -> None:
    with pytest.raises(ToolInvalid, match="there is a tool 'write' already: The tool 'read'"):
        rename_tools(toolset(), {"read": "write"})
    with pytest.raises(ToolInvalid, match=r"There is no tool 'raed' to rename\. Did you mean 'read'\?"):
        rename_tools(toolset(), {"raed": "fetch"})
    with pytest.raises(ToolInvalid, match="The tool 'read': 'my read' can't be a tool's name"):
        prefix_tools(toolset(), "my ")


def test_a_tool_that_another_program_serves_keeps_its_name() -> None:
    @tool(task_queue="others")
    def send() -> None:
        pass

    with pytest.raises(ToolInvalid, match="send can't be renamed to 'my_send': workers of 'others' have it as it is"):
        prefix_tools(ToolRegistry([send]), "my_")


async def test_errors_have_the_name_by_which_the_tool_was_called() -> None:
    fetch = rename_tools(toolset(), {"read": "fetch"}).get("fetch")
    with pytest.raises(ToolError, match=r"^The arguments of fetch are wrong, so nothing was done"):
        await fetch.call({"read": 1}, CONTEXT)
    with pytest.raises(ToolError, match=r"^fetch is for files; read one in it\.$"):
        await fetch.call({"path": "/"}, CONTEXT)


async def test_a_prepared_tool_stays_one() -> None:
    lent = Lent()
    mine = prefix_tools(ToolRegistry([lent]), "my_").get("my_lent")
    assert hasattr(mine, "prepared")
    assert not hasattr(prefix_tools(toolset(), "my_").get("my_read"), "prepared")
    assert await invoke_tool(mine, {"path": "a"}, CONTEXT) == "content of a"
    lent.is_available = False
    with pytest.raises(ToolUnavailable, match=r"^my_lent was not called: it is away"):
        await invoke_tool(mine, {}, CONTEXT)


def test_a_derived_toolset_follows_the_one_it_is_made_of() -> None:
    registry = ToolRegistry([read])
    tools = prefix_tools(registry, "my_")
    registry.add(write)
    assert names(tools) == ["my_read", "my_write"]


@pytest.mark.parametrize(
    ("rules", "content"),
    [
        pytest.param((), "Not called: my_write was not approved", id="its wish"),
        pytest.param((PolicyRule(tool="my_*", then="allow"),), "wrote a", id="a rule comes first"),
    ],
)
async def test_a_tool_that_requires_approval_is_not_called_without_a_rule(
    rules: tuple[PolicyRule, ...], content: str
) -> None:
    tools = prefix_tools(require_approval(toolset(), named("write")), "my_")
    agent = AgentSpec(name="a", models=("scripted:m",), planner="tools", tools=tuple(tools.specs()), policy=rules)
    model = ScriptedModel([ToolCall(id="c", name="my_write", arguments={"path": "a"}), "done"])
    result = await LocalRunner({"scripted": model}, tools).run(agent, "Go.")
    assert content in str(result.transcript[2].parts[0])
    assert require_approval(toolset(), named("write")).specs()[0].approval is None
