"""ReAct, for models without tool calling: they write a thought and an action, and read an observation.

The request has a JSON Schema of the action, which some providers enforce; so small models can call tools, too. Other
formats are accepted: JSON in a fenced block, or lines with ``Action:`` and ``Action Input:``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pydantic import JsonValue

from agentkit.errors import ResponseTextInvalid
from agentkit.interfaces import CallTools, Decision, Finish, ModelRequest, ModelResponse, Retry
from agentkit.json_text import check_strict_json, read_json
from agentkit.messages import ImagePart, Message, TextPart, ToolCall, ToolResult
from agentkit.planners.agent_request import agent_request
from agentkit.planners.schema_nesting import nest_schema
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["ReactPlanner"]

_FINISH = "finish"
"""The action that ends the task."""

_FORMAT_INSTRUCTIONS = """\
Work in steps. In each step respond with one JSON object and nothing else:
{"thought": "what you know and what you need", "action": {"name": "...", "arguments": {...}}}
The name is one of these tools, or "finish". You then get the tool's observation. Never make one up.
When you are done: {"thought": "...", "action": {"name": "finish", "arguments": {"answer": ...}}}
"""

_UNREADABLE = (
    "That is no action. Respond with one JSON object only: "
    '{"thought": "...", "action": {"name": "...", "arguments": {...}}}; the name "finish" ends the task, '
    'with {"answer": "..."} as its arguments.'
)
_CUT_OFF = "Your response was cut off at your output limit. Give it again, shorter: one JSON object."

# No pattern matches line ends before its word: for a response of blank lines that would take quadratic time.
_ACTION = re.compile(r"^[ \t>*#_-]*Action[*_]*:[\s*_`]*([\w.:/-]+)", re.MULTILINE | re.IGNORECASE)
_INPUT = re.compile(r"^[ \t>*#_-]*Action Input[*_]*:[\s*_`]*(.*)", re.MULTILINE | re.IGNORECASE | re.DOTALL)
_FINAL_ANSWER = re.compile(r"^[ \t>*#_-]*Final Answer[*_]*:[\s*_]*(.*)", re.MULTILINE | re.IGNORECASE | re.DOTALL)


class ReactPlanner:
    """Describes tools in the instructions, and renders calls and results as text."""

    def render(self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelRequest:
        """Return a request without native tools, whose output schema is that of an action."""
        return agent_request(
            agent,
            [_without_native_calls(message) for message in transcript],
            instructions=[_FORMAT_INSTRUCTIONS + _tool_descriptions(tools), _output_instructions(agent)],
            output_schema=_action_schema(agent, tools),
        )

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: every step needs a model."""
        return None

    def decide(self, response: ModelResponse) -> Decision:
        """Parse the action, in any of the accepted formats."""
        message = response.message
        if message.tool_calls:
            return CallTools(message.tool_calls)
        decision = _parse_json_action(message.text) or _parse_action_lines(message.text)
        if decision is None:
            return Retry(_CUT_OFF if response.stop_reason == "length" else _UNREADABLE)
        return decision


def _tool_descriptions(tools: Sequence[ToolSpec]) -> str:
    lines = [
        f"- {tool.name}: {tool.description}\n  arguments: {json.dumps(tool.parameters, ensure_ascii=False)}"
        for tool in tools
    ]
    return "\n".join(["Your tools:", *lines]) if lines else "You have no tools: finish at once."


def _output_instructions(agent: AgentSpec) -> str:
    """Return the output schema as text, for providers that don't enforce it."""
    if agent.output_schema is None:
        return ""
    return f'The "answer" of "finish" fits this schema: {json.dumps(agent.output_schema, ensure_ascii=False)}'


def _without_native_calls(message: Message) -> Message:
    """Return the message with tool calls and results as text."""
    match message.role:
        case "tool":
            results = (part for part in message.parts if isinstance(part, ToolResult))
            observations = "\n\n".join(
                f"Observation ({result.name}{', failed' if result.is_error else ''}): {result.content}"
                for result in results
            )
            return Message(role="user", parts=(TextPart(text=observations),))
        case "assistant":
            calls = "".join(_action_json(call) for call in message.tool_calls)
            return message.model_copy(update={"parts": (TextPart(text=message.text + calls),)})
        case "user":
            parts = tuple(part for part in message.parts if isinstance(part, TextPart | ImagePart))
            return message.model_copy(update={"parts": parts})


def _action_json(call: ToolCall) -> str:
    return json.dumps({"action": {"name": call.name, "arguments": call.arguments}}, ensure_ascii=False)


def _action_schema(agent: AgentSpec, tools: Sequence[ToolSpec]) -> dict[str, JsonValue]:
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
            "action": {"anyOf": [*actions, _action_variant(_FINISH, finish)]},
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


def _parse_json_action(text: str) -> Decision | None:
    try:
        value = read_json(text)
    except ResponseTextInvalid:
        return None
    action = value.get("action") if isinstance(value, dict) else None
    if isinstance(action, str) and isinstance(value, dict):
        # Other ReAct prompts use {"action": "name", "input": {...}}.
        arguments = next((value[key] for key in ("arguments", "input", "action_input") if key in value), {})
        action = {"name": action, "arguments": arguments}
    if not isinstance(action, dict) or not isinstance(action.get("name"), str):
        return None
    return _action_decision(str(action["name"]), action.get("arguments", {}))


def _parse_action_lines(text: str) -> Decision | None:
    action = _ACTION.search(text)
    if action is not None:
        action_input = _INPUT.search(text, action.end())
        return _action_decision(action[1], _parse_action_input(action_input[1]) if action_input else {})
    answer = _FINAL_ANSWER.search(text)
    return Finish(answer[1].strip()) if answer is not None and answer[1].strip() else None


def _parse_action_input(text: str) -> JsonValue:
    """Return the JSON value at the start of the text; without one, its first line."""
    try:
        return check_strict_json(json.JSONDecoder().raw_decode(text.strip())[0])
    except (ValueError, RecursionError):
        return text.strip().partition("\n")[0]


def _action_decision(name: str, arguments: JsonValue) -> Decision:
    if name.lower() == _FINISH:
        answer = arguments.get("answer", arguments) if isinstance(arguments, dict) else arguments
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return Finish(text) if text.strip() else Retry(_UNREADABLE)
    if isinstance(arguments, dict):
        return CallTools((ToolCall(id="", name=name, arguments=arguments),))
    return CallTools((ToolCall(id="", name=name, malformed=json.dumps(arguments, ensure_ascii=False)),))
