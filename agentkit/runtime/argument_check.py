"""Check arguments that no code of ours receives before a call leaves: of external and MCP tools, and of questions to
people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import ASK_PERSON, McpToolCall, OutputChecker
from agentkit.mcp_config.mcp_names import MCP_CALL
from agentkit.messages import ToolCall
from agentkit.runtime.calls.proxied_calls import read_target
from agentkit.runtime.loop import MAX_PARALLEL_CALLS
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["are_arguments_checked", "arguments_refusal", "refused_arguments"]

_MAX_SCHEMA_CHARS = 16_384
"""Of the JSON Schema of an answer, which a person fills in: as JSON."""


def are_arguments_checked(tool: ToolSpec) -> bool:
    """Return whether calls of the tool have their arguments checked before they leave."""
    return bool(tool.external) or tool.mcp is not None or tool.name == ASK_PERSON


async def refused_arguments(checker: OutputChecker, agent: AgentSpec, calls: Sequence[ToolCall]) -> Mapping[int, str]:
    """Return what the model reads of each call whose arguments don't fit, by the call's position, from 0."""
    refusals = await asyncio.gather(*(_refusal(checker, agent, call) for call in calls[:MAX_PARALLEL_CALLS]))
    return {index: refusal for index, refusal in enumerate(refusals) if refusal is not None}


async def _refusal(checker: OutputChecker, agent: AgentSpec, call: ToolCall) -> str | None:
    if call.malformed is not None:
        return None
    tool, arguments = agent.tool(call.name), call.arguments
    if tool is not None and tool.name == MCP_CALL and isinstance(target := read_target(call), McpToolCall):
        tool, arguments = agent.mcp_tool(target.tool), target.arguments  # None: it is described later, and checked then
    return None if tool is None else await arguments_refusal(checker, tool, arguments)


async def arguments_refusal(checker: OutputChecker, tool: ToolSpec, arguments: Mapping[str, JsonValue]) -> str | None:
    """Return what the model reads of a call of a tool whose arguments don't fit; None: they do, or aren't checked."""
    if not are_arguments_checked(tool):
        return None
    check = await checker.check_arguments(arguments, tool.parameters)
    if check.failure is not None:
        if tool.mcp is not None:  # its server checks them, too
            return None
        return f"Not called: the arguments of {tool.name} can't be checked: {check.failure}. Go on without it."
    mismatch = check.mismatch
    if mismatch is None and tool.name == ASK_PERSON:
        mismatch = "\n".join(await asyncio.to_thread(_question_issues, arguments))
    if mismatch:
        return f"The arguments of {tool.name} are wrong, so nothing was done. Correct them and call again:\n{mismatch}"
    return None


def _question_issues(arguments: Mapping[str, JsonValue]) -> list[str]:
    """Return what is wrong with the arguments of a question, beyond their types: a line for each."""
    return [
        f"- {issue}" for issue in _issues(arguments.get("question"), arguments.get("choices"), arguments.get("schema"))
    ]


def _issues(question: JsonValue, choices: JsonValue, schema: JsonValue) -> Iterator[str]:
    if isinstance(question, str) and not question.strip():
        yield "question: it is blank"
    if isinstance(choices, list):
        texts = [str(choice).strip() for choice in choices]
        if "" in texts:
            yield "choices: one of them is blank"
        if len(set(texts)) < len(texts):
            yield "choices: two of them are the same"
        if schema is not None:
            yield "schema: give either choices or a schema, not both"
    if isinstance(schema, dict) and (problem := _schema_problem(schema)) is not None:
        yield f"schema: {problem}"


def _schema_problem(schema: Mapping[str, JsonValue]) -> str | None:
    """Return why a person's answer can't be checked against a schema of a model's."""
    try:
        if len(json.dumps(schema)) > _MAX_SCHEMA_CHARS:
            return f"too large: {_MAX_SCHEMA_CHARS:,} characters at most. Ask for less, or for free text"
        check_schema(schema)
    except ConfigurationInvalid as error:
        return str(error)
    return None
