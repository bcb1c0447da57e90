"""The formats in which planners want a model's response: a plan, or an action that ends a ReAct task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from agentkit.llm.shared.tool_arguments import parse_object

__all__ = ["final_action", "is_plan", "plan_text"]

_Schema = Mapping[str, JsonValue]


def plan_text(schema: _Schema | None, steps: Sequence[str]) -> str | None:
    """Return the steps as the JSON of a plan; None if ``schema`` isn't a plan's: an object with one list of texts."""
    properties = _object(_object(schema).get("properties"))
    if len(properties) != 1 or not steps:
        return None
    ((key, value),) = properties.items()
    is_list_of_texts = _object(_object(value).get("items")).get("type") == "string"
    return json.dumps({key: list(steps)}, ensure_ascii=False) if is_list_of_texts else None


def is_plan(text: str, steps: Sequence[str]) -> bool:
    """Return whether the text is one that ``plan_text`` returns for these steps."""
    values = list((parse_object(text) or {}).values()) if text.startswith("{") else []
    return bool(steps) and values == [list(steps)]


def final_action(schema: _Schema | None, answer: str) -> str:
    """Return ``answer`` as the JSON of a ``react`` finish action if ``schema`` describes actions, else unchanged."""
    action = _object(_object(_object(schema).get("properties")).get("action"))
    variants = action.get("anyOf")
    last = _object(variants[-1]) if isinstance(variants, list) and variants else {}
    names = _object(_object(last.get("properties")).get("name")).get("enum")
    if not isinstance(names, list) or not names:
        return answer
    finish: JsonValue = {"name": names[0], "arguments": {"answer": answer}}
    return json.dumps({"thought": "", "action": finish}, ensure_ascii=False)


def _object(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}
