"""Read an action out of a ReAct response: JSON, or lines such as ``Action: look``. The first action of the text counts.

Models write actions in many formats, and often go on with observations of their own invention. All of it is read in
time linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.json_text import embedded_json, json_at

__all__ = ["FinalAnswer", "TextAction", "read_action"]


@dataclass(frozen=True, slots=True)
class TextAction:
    """A named action with its arguments."""

    name: str
    arguments: JsonValue
    """An object, unless the model wrote something else."""


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The text after ``Final Answer:``."""

    text: str


# No pattern matches line ends before its word, or can match one run of characters in two ways: for hostile text that
# would take quadratic time. ``*+`` never gives back what it has matched.
_LABEL = re.compile(
    r"^[ \t>*#_-]*+(?P<label>Action Input|Action|Final Answer|Observation|Thought|Question)(?: \d{1,3})?[*_]*:[*_]*",
    re.MULTILINE | re.IGNORECASE,
)
_NAME = re.compile(r"[\s*_]*+(?:`(?!`))?([A-Za-z][\w./-]*+(?::[\w./-]++)*+)(?!:)`?[*_]*")
_INPUT_START = re.compile(r"[\s*_]*+(?:(?:`{3,}|~{3,})[^\n`~{\[]*\s*|`)?")
_OBJECT_AFTER_NAME = re.compile(r"[(\s]*+(?=\{)")
_NO_ACTION_LINE = re.compile(r"^[ \t]*+Action(?: Input)?:[ \t]*+(?:none|n/?a)?[ \t.]*$", re.MULTILINE | re.IGNORECASE)
_NONE = frozenset({"", "none", "null", "n/a", "na"})
"""Words that models write instead of leaving a value empty."""

_ARGUMENT_KEYS = ("arguments", "action_input", "input", "args")


def read_action(text: str) -> TextAction | FinalAnswer | None:
    """Return the first action or final answer of a response; None if there is none."""
    in_json = _first_json_action(text)
    for label in _LABEL.finditer(text):
        if in_json is not None and in_json[0] < label.start():
            break
        found = _read_label(text, label)
        if found is not None:
            return found
    return in_json[1] if in_json is not None else None


def _read_label(text: str, label: re.Match[str]) -> TextAction | FinalAnswer | None:
    match label["label"].lower():
        case "action":
            return _line_action(text, label.end())
        case "final answer":
            answer = _NO_ACTION_LINE.sub("", text[label.end() :]).strip()
            return FinalAnswer(answer) if answer.strip("*_ ") else None
    return None


def _line_action(text: str, position: int) -> TextAction | None:
    """Return the action whose name is at the position; None if there is no name, or it is ``None``."""
    name = _NAME.match(text, position)
    if name is None or name[1].lower() in _NONE:
        return None
    line_start = text.rfind("\n", position, name.start(1)) + 1
    if line_start and _LABEL.match(text, line_start):
        return None
    action_input = _action_input(text, name.end())
    if action_input is None:
        action_input = _inline_arguments(text, name.end())
    return TextAction(name[1].rstrip("."), action_input)


def _action_input(text: str, position: int) -> JsonValue:
    """Return what follows ``Action Input:``, if that is the next label; else None."""
    label = _LABEL.search(text, position)
    if label is None or label["label"].lower() != "action input":
        return None
    start = _INPUT_START.match(text, label.end())
    assert start is not None  # the pattern matches nothing, too
    value = json_at(text, start.end())
    if value is not None:
        return _arguments(value[0])
    next_label = _LABEL.search(text, label.end())
    content = text[start.end() : next_label.start() if next_label is not None else len(text)]
    return _arguments(content.strip().partition("\n")[0].strip("`~ "))


def _inline_arguments(text: str, position: int) -> JsonValue:
    """Return arguments that stand behind the name in its line, such as those of ``look[sky]``; ``{}`` without any."""
    opening = _OBJECT_AFTER_NAME.match(text, position)
    if opening is not None and (value := json_at(text, opening.end())) is not None:
        return _arguments(value[0])
    rest = text[position:].partition("\n")[0].strip(" \t\r.`*_")
    if rest[:1] + rest[-1:] in ("[]", "()"):
        rest = rest[1:-1].strip()
    return _arguments(rest)


def _first_json_action(text: str) -> tuple[int, TextAction] | None:
    """Return the first action that is written as JSON, and its position."""
    for position, value in embedded_json(text):
        for candidate in value if isinstance(value, list) else [value]:
            if (action := _json_action(candidate)) is not None:
                return position, action
    return None


def _json_action(value: JsonValue) -> TextAction | None:
    """Return the action that an object is; None if it is none."""
    if not isinstance(value, dict):
        return None
    action = value.get("action")
    if isinstance(action, str):
        # Other ReAct prompts use {"action": "name", "action_input": {...}}.
        return None if action.strip().lower() in _NONE else TextAction(action.strip(), _argument_value(value))
    if isinstance(action, dict):
        value = action
    elif "arguments" not in value:
        return None
    name = value.get("name")
    return TextAction(name.strip(), _argument_value(value)) if isinstance(name, str) and name.strip() else None


def _argument_value(value: dict[str, JsonValue]) -> JsonValue:
    return _arguments(next((value[key] for key in _ARGUMENT_KEYS if key in value), None))


def _arguments(value: JsonValue) -> JsonValue:
    """Return arguments as an object where they are one in other clothes: JSON text, null or nothing."""
    if value is None:
        return {}
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in _NONE:
        return {}
    parsed = json_at(text)
    return parsed[0] if parsed is not None and isinstance(parsed[0], dict) and parsed[1] == len(text) else value
