"""ReAct, for models without tool calling: they write a thought and an action, and read an observation.

The request has a JSON Schema of the action, which some providers enforce; so small models can call tools, too. Other
formats are accepted: see ``react_text``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from agentkit.interfaces import CallTools, Decision, Finish, ModelRequest, ModelResponse, Retry
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ToolCall, ToolResult
from agentkit.planners.agent_request import agent_request
from agentkit.planners.react_text import FinalAnswer, TextAction, read_action
from agentkit.planners.schema_nesting import nest_schema
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["ReactPlanner"]

_FINISH_ACTIONS = ("finish", "final_answer")
"""The action that ends the task: the second where a tool is called ``finish``."""
_FINISH_NAMES = ("finish", "final answer", "final_answer")
"""Accepted as well where no tool is called so: other ReAct prompts use them."""

_FORMAT_INSTRUCTIONS = """\
Work in steps. In each step respond with one JSON object and nothing else:
{"thought": "what you know and what you need", "action": {"name": "...", "arguments": {...}}}
The name is one of these tools, or "%(finish)s". You then get the tool's observation. Never make one up.
When you are done: {"thought": "...", "action": {"name": "%(finish)s", "arguments": {"answer": ...}}}
"""

_EXAMPLE_TOOL = "calculator"
_EXAMPLES = (("2+3", "5"), ("10-4", "6"))
"""Expressions and their values, for worked examples: without them, models of few parameters make no calls."""

_UNREADABLE = (
    "That is no action. Respond with one JSON object only: "
    '{"thought": "...", "action": {"name": "...", "arguments": {...}}}; the name "%(finish)s" ends the task, '
    'with {"answer": "..."} as its arguments.'
)


class ReactPlanner:
    """Describes tools in the instructions, and renders calls and results as text."""

    def render(
        self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec], *, own_start: int = 0
    ) -> ModelRequest:
        """Return a request without native tools, whose output schema is that of an action."""
        finish = _finish_action(tools)
        return agent_request(
            agent,
            [*_worked_examples(agent, tools, finish), *(_without_native_calls(message) for message in transcript)],
            instructions=[
                _FORMAT_INSTRUCTIONS % {"finish": finish} + _tool_descriptions(tools),
                _output_instructions(agent, finish),
            ],
            output_schema=_action_schema(agent, tools, finish),
        )

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: every step needs a model."""
        return None

    def decide(self, response: ModelResponse, agent: AgentSpec) -> Decision:
        """Return the decision of the response's first action."""
        message = response.message
        if message.tool_calls:
            return CallTools(message.tool_calls)
        match read_action(message.text):
            case FinalAnswer(text):
                return Finish(text)
            case TextAction() as action:
                return _action_decision(action, agent)
        return Retry(_unreadable(agent))


def _tool_descriptions(tools: Sequence[ToolSpec]) -> str:
    lines = [
        f"- {tool.name}: {tool.description}\n  arguments: {json.dumps(tool.parameters, ensure_ascii=False)}"
        for tool in tools
    ]
    return "\n".join(["Your tools:", *lines]) if lines else "You have no tools: finish at once."


def _worked_examples(agent: AgentSpec, tools: Sequence[ToolSpec], finish: str) -> Iterator[Message]:
    """Yield messages that show when and how the calculator is called, if the agent has it and its output is text."""
    parameters = next((tool.parameters for tool in tools if tool.name == _EXAMPLE_TOOL), {})
    if parameters.get("required") != ["expression"] or agent.output_schema is not None:
        return
    for expression, value in _EXAMPLES:
        yield _text_message("user", f"What is {expression}?")
        yield _example_action("I need the calculator.", _EXAMPLE_TOOL, {"expression": expression})
        yield _text_message("user", f"Observation ({_EXAMPLE_TOOL}): {value}")
        yield _example_action("I have the result.", finish, {"answer": value})
    yield _text_message("user", "What is the capital of Italy?")
    yield _example_action("This is no sum: I know it.", finish, {"answer": "Rome"})


def _example_action(thought: str, name: str, arguments: dict[str, JsonValue]) -> Message:
    action: JsonValue = {"thought": thought, "action": {"name": name, "arguments": arguments}}
    return _text_message("assistant", json.dumps(action))


def _text_message(role: Literal["user", "assistant"], text: str) -> Message:
    return Message(role=role, parts=(TextPart(text=text),), source="planner" if role == "user" else None)


def _output_instructions(agent: AgentSpec, finish: str) -> str:
    """Return the output schema as text, for providers that don't enforce it."""
    if agent.output_schema is None:
        return ""
    return f'The "answer" of "{finish}" fits this schema: {json.dumps(agent.output_schema, ensure_ascii=False)}'


def _without_native_calls(message: Message) -> Message:
    """Return the message with tool calls and results as text."""
    match message.role:
        case "tool":
            results = (part for part in message.parts if isinstance(part, ToolResult))
            observations = "\n\n".join(
                f"Observation ({result.name}{', failed' if result.is_error else ''}): {result.content}"
                for result in results
            )
            return Message(role="user", parts=(TextPart(text=observations),), source="planner")
        case "assistant":
            calls = "".join(_action_json(call) for call in message.tool_calls)
            return message.model_copy(update={"parts": (TextPart(text=message.text + calls),)})
        case "user":
            parts = tuple(part for part in message.parts if isinstance(part, TextPart | ImagePart | FilePart))
            return message.model_copy(update={"parts": parts})


def _action_json(call: ToolCall) -> str:
    return json.dumps({"action": {"name": call.name, "arguments": call.arguments}}, ensure_ascii=False)


def _action_schema(agent: AgentSpec, tools: Sequence[ToolSpec], finish_action: str) -> dict[str, JsonValue]:
    definitions: dict[str, JsonValue] = {}
    answer = nest_schema(agent.output_schema or {"type": "string"}, "answer", definitions)
    finish: JsonValue = {
        "type": "object",
        "properties": {"answer": answer},
        "required": ["answer"],
        "additionalProperties": False,
    }
    actions: list[JsonValue] = [
        _action_variant(tool.name, nest_schema(tool.parameters, f"tool{index}", definitions))
        for index, tool in enumerate(tools)
    ]
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {
            "thought": {"type": "string"},
            "action": {"anyOf": [*actions, _action_variant(finish_action, finish)]},
        },
        "required": ["thought", "action"],
        "additionalProperties": False,
    }
    return schema | {"$defs": definitions} if definitions else schema


def _action_variant(name: str, arguments: JsonValue) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": [name]}, "arguments": arguments or {"type": "object"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _unreadable(agent: AgentSpec) -> str:
    return _UNREADABLE % {"finish": _finish_action(agent.tools)}


def _finish_action(tools: Sequence[ToolSpec]) -> str:
    """Return the name of the action that ends the task: the first that is no tool's."""
    names = {tool.name.lower() for tool in tools}
    numbered = (f"finish_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain(_FINISH_ACTIONS, numbered) if name not in names)


def _action_decision(action: TextAction, agent: AgentSpec) -> Decision:
    name, arguments = action.name, action.arguments
    if agent.tool(name) is None and name.lower() in (_finish_action(agent.tools), *_FINISH_NAMES):
        return _finish(arguments, agent)
    if isinstance(arguments, dict):
        return CallTools((ToolCall(id="", name=name, arguments=arguments),))
    return CallTools((ToolCall(id="", name=name, malformed=json.dumps(arguments, ensure_ascii=False)),))


def _finish(arguments: JsonValue, agent: AgentSpec) -> Decision:
    answer = arguments.get("answer", arguments) if isinstance(arguments, dict) else arguments
    if answer in ({}, None):
        return Retry(_unreadable(agent))
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return Finish(text) if text.strip() else Retry(_unreadable(agent))
