"""Plan first, then carry the plan out with tools; plan again when a step fails or a new fact upsets the plan."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from agentkit.errors import ResponseTextInvalid
from agentkit.interfaces import CallTools, Decision, Finish, ModelRequest, ModelResponse, Proceed, Retry
from agentkit.json_text import read_json
from agentkit.messages import Message
from agentkit.planners.tools_planner import ToolsPlanner
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PlanPlanner", "read_plan"]

_MANNER = """\
First make a plan: answer with one JSON object, {"plan": ["first step", "second step", ...]}, and call no tool yet.
Then carry it out, step by step, with your tools. When a step fails, or what you learn changes what is to be done, \
answer with a new {"plan": [...]} of what remains. When all is done, answer the request in words."""

_SCHEMA = "That last answer, and no other, is JSON that fits this schema, without any other words: {schema}"

_GO = "Good. Carry out the plan now, beginning with: {step}. Call your tools; don't repeat the plan."

PLAN_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"plan": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["plan"],
    "additionalProperties": False,
}


class PlanPlanner:
    """The plan is JSON in the transcript; everything else is as with native tool calling."""

    def __init__(self) -> None:
        self._tools = ToolsPlanner()

    def render(self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelRequest:
        """Return what to ask: under the plan's schema until there is a plan, then with tools."""
        planned = any(message.role == "assistant" and read_plan(message.text) for message in transcript)
        acted = any(message.role == "tool" for message in transcript)
        return ModelRequest(
            model=agent.models[0],
            system="\n\n".join(filter(None, [agent.instructions, _MANNER, _told_schema(agent)])),
            messages=transcript,
            tools=tools,
            settings=agent.model_settings,
            # Later answers may be words, a new plan or calls: no one schema fits them.
            output_schema=None if planned or acted else PLAN_SCHEMA,
        )

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: a model is always asked."""
        return None

    def decide(self, response: ModelResponse) -> Decision:
        """Go on with a plan, call the tools asked for, or finish with the answer."""
        decision = self._tools.decide(response)
        if isinstance(decision, CallTools | Retry):
            return decision
        plan = read_plan(response.message.text)
        return Proceed(plan, _GO.format(step=plan[0])) if plan else Finish(response.message.text)


def _told_schema(agent: AgentSpec) -> str:
    """Return the schema in words: where a plan may come, too, no provider can hold the model to it."""
    if agent.output_schema is None:
        return ""
    return _SCHEMA.format(schema=json.dumps(agent.output_schema, ensure_ascii=False))


def read_plan(text: str) -> tuple[str, ...]:
    """Return the plan that a text is; empty when it is none."""
    if '"plan"' not in text:
        return ()
    try:
        value = read_json(text)
    except ResponseTextInvalid:
        return ()
    steps = value.get("plan") if isinstance(value, dict) else None
    if not isinstance(steps, list):
        return ()
    return tuple(step.strip() for step in steps if isinstance(step, str) and step.strip())
