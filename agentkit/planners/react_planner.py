"""ReAct, for models without tool calling: they write a thought and an action, and read an observation.

The action is asked for as JSON under a schema, which providers that can constrain a model enforce; so small models
can act, too. What other models write is read tolerantly: JSON, fenced JSON, or ``Action:`` and ``Action Input:``.
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
from agentkit.planners.schema_nesting import nested
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["ReactPlanner"]

FINISH = "finish"
"""The action that ends the task."""

_FORMAT = """\
Work in steps. In each step answer with one JSON object and nothing else:
{"thought": "what you know and what you need", "action": {"name": "...", "arguments": {...}}}
The name is one of these tools, or "finish". You then get the tool's observation. Never make one up.
When you know the answer: {"thought": "...", "action": {"name": "finish", "arguments": {"answer": ...}}}
"""

_UNREADABLE = (
    "That is no action. Answer with one JSON object only: "
    '{"thought": "...", "action": {"name": "...", "arguments": {...}}}; the name "finish" ends the task, '
    'with {"answer": "..."} as its arguments.'
)
_CUT_OFF = "Your answer was cut off at your output limit. Give it again, shorter: one JSON object."

# No pattern skips line ends before its word: over an answer of blank lines, that takes the square of its length.
_ACTION = re.compile(r"^[ \t>*#_-]*Action[*_]*:[\s*_`]*([\w.:/-]+)", re.MULTILINE | re.IGNORECASE)
_INPUT = re.compile(r"^[ \t>*#_-]*Action Input[*_]*:[\s*_`]*(.*)", re.MULTILINE | re.IGNORECASE | re.DOTALL)
_ANSWER = re.compile(r"^[ \t>*#_-]*Final Answer[*_]*:[\s*_]*(.*)", re.MULTILINE | re.IGNORECASE | re.DOTALL)


class ReactPlanner:
    """Tools are described in the instructions; calls and results travel as text."""

    def render(self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelRequest:
        """Return what to ask: no native tools, but a schema for the action."""
        return ModelRequest(
            model=agent.models[0],
            system="\n\n".join(filter(None, [agent.instructions, _FORMAT + _described(tools), _told_schema(agent)])),
            messages=[_as_text(message) for message in transcript],
            settings=agent.model_settings,
            output_schema=_action_schema(agent, tools),
        )

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: a model is always asked."""
        return None

    def decide(self, response: ModelResponse) -> Decision:
        """Read the action, in whatever way it was written."""
        message = response.message
        if message.tool_calls:
            return CallTools(message.tool_calls)
        decision = _from_json(message.text) or _from_lines(message.text)
        if decision is None:
            return Retry(_CUT_OFF if response.stop_reason == "length" else _UNREADABLE)
        return decision


def _described(tools: Sequence[ToolSpec]) -> str:
    lines = [
        f"- {tool.name}: {tool.description}\n  arguments: {json.dumps(tool.parameters, ensure_ascii=False)}"
        for tool in tools
    ]
    return "\n".join(["Your tools:", *lines]) if lines else "You have no tools: finish at once."


def _told_schema(agent: AgentSpec) -> str:
    """Return the answer's schema in words, for providers that hold no model to it."""
    if agent.output_schema is None:
        return ""
    return f'The "answer" of "finish" fits this schema: {json.dumps(agent.output_schema, ensure_ascii=False)}'


def _as_text(message: Message) -> Message:
    """Return a message without native calls and results."""
    match message.role:
        case "tool":
            results = (part for part in message.parts if isinstance(part, ToolResult))
            observed = "\n\n".join(
                f"Observation ({result.name}{', failed' if result.is_error else ''}): {result.content}"
                for result in results
            )
            return Message(role="user", parts=(TextPart(text=observed),))
        case "assistant":
            calls = "".join(_written(call) for call in message.tool_calls)
            return message.model_copy(update={"parts": (TextPart(text=message.text + calls),)})
        case "user":
            parts = tuple(part for part in message.parts if isinstance(part, TextPart | ImagePart))
            return message.model_copy(update={"parts": parts})


def _written(call: ToolCall) -> str:
    return json.dumps({"action": {"name": call.name, "arguments": call.arguments}}, ensure_ascii=False)


def _action_schema(agent: AgentSpec, tools: Sequence[ToolSpec]) -> dict[str, JsonValue]:
    definitions: dict[str, JsonValue] = {}
    answer = nested(agent.output_schema or {"type": "string"}, "answer", definitions)
    finish: JsonValue = {
        "type": "object",
        "properties": {"answer": answer},
        "required": ["answer"],
        "additionalProperties": False,
    }
    actions: list[JsonValue] = [
        _choice(tool.name, nested(tool.parameters, f"tool{place}", definitions)) for place, tool in enumerate(tools)
    ]
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {
            "thought": {"type": "string"},
            "action": {"anyOf": [*actions, _choice(FINISH, finish)]},
        },
        "required": ["thought", "action"],
        "additionalProperties": False,
    }
    return schema | {"$defs": definitions} if definitions else schema


def _choice(name: str, arguments: JsonValue) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": [name]}, "arguments": arguments or {"type": "object"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _from_json(text: str) -> Decision | None:
    try:
        value = read_json(text)
    except ResponseTextInvalid:
        return None
    action = value.get("action") if isinstance(value, dict) else None
    if isinstance(action, str) and isinstance(value, dict):
        # {"action": "name", "input": {...}} is how other ReAct prompts have it.
        given = next((value[key] for key in ("arguments", "input", "action_input") if key in value), {})
        action = {"name": action, "arguments": given}
    if not isinstance(action, dict) or not isinstance(action.get("name"), str):
        return None
    return _decision(str(action["name"]), action.get("arguments", {}))


def _from_lines(text: str) -> Decision | None:
    action = _ACTION.search(text)
    if action is not None:
        given = _INPUT.search(text, action.end())
        return _decision(action[1], _first_value(given[1]) if given else {})
    answer = _ANSWER.search(text)
    return Finish(answer[1].strip()) if answer is not None and answer[1].strip() else None


def _first_value(written: str) -> JsonValue:
    """Return the JSON that ``written`` begins with; its first line as text, where it is none."""
    try:
        return check_strict_json(json.JSONDecoder().raw_decode(written.strip())[0])
    except (ValueError, RecursionError):
        return written.strip().partition("\n")[0]


def _decision(name: str, arguments: JsonValue) -> Decision:
    if name.lower() == FINISH:
        answer = arguments.get("answer", arguments) if isinstance(arguments, dict) else arguments
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return Finish(text) if text.strip() else Retry(_UNREADABLE)
    if isinstance(arguments, dict):
        return CallTools((ToolCall(id="", name=name, arguments=arguments),))
    return CallTools((ToolCall(id="", name=name, malformed=json.dumps(arguments, ensure_ascii=False)),))
