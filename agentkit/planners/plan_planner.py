"""A planner whose model first makes a plan, then carries it out with tools, and replaces it when needed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from pydantic import JsonValue

from agentkit.interfaces import CallTools, Decision, Finish, ModelRequest, ModelResponse, Proceed, Retry
from agentkit.json_text import json_values
from agentkit.messages import Message
from agentkit.planners.agent_request import agent_request
from agentkit.planners.tools_planner import ToolsPlanner
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PlanPlanner", "plan_key", "plan_schema", "read_plan"]

_PLAN_KEYS = ("plan", "next_steps")

_PLAN_INSTRUCTIONS = """\
First make a plan: respond with one JSON object, {"%(key)s": ["first step", "second step", ...]}, and call no tool yet.
Then carry it out, step by step, with your tools. When a step fails, or what you learn changes what is to be done, \
respond with a new {"%(key)s": [...]} of what remains. When all is done, give the result in words."""

_OUTPUT_INSTRUCTIONS = (
    "That last response, and no other, is JSON that fits this schema, without any other words: {schema}"
)

_PROCEED = "Good. Carry out the plan now, beginning with: {step}. Call your tools; don't repeat the plan."


class PlanPlanner:
    """The plan is JSON in a response; the rest is native tool calling, as in ``ToolsPlanner``."""

    def __init__(self) -> None:
        self._tools = ToolsPlanner()

    def render(
        self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec], *, own_start: int = 0
    ) -> ModelRequest:
        """Return a request with tools; its output schema is the plan's until the task has a plan."""
        key, own = plan_key(agent), transcript[own_start:]
        has_plan = any(message.role == "assistant" and read_plan(message.text, key) for message in own)
        has_results = any(message.role == "tool" for message in own)
        return agent_request(
            agent,
            transcript,
            instructions=[_PLAN_INSTRUCTIONS % {"key": key}, _output_instructions(agent)],
            tools=tools,
            # Later responses may be words, a new plan or calls: no single schema fits them.
            output_schema=None if has_plan or has_results else plan_schema(key),
        )

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: every step needs a model."""
        return None

    def decide(self, response: ModelResponse, agent: AgentSpec) -> Decision:
        """Proceed with a plan, make the tool calls, or finish with the text."""
        decision = self._tools.decide(response, agent)
        if isinstance(decision, CallTools | Retry):
            return decision
        plan = read_plan(response.message.text, plan_key(agent))
        return Proceed(plan, _PROCEED.format(step=plan[0])) if plan else Finish(response.message.text)


def _output_instructions(agent: AgentSpec) -> str:
    """Return the output schema as text: a response may also be a plan, so no provider can enforce the schema."""
    if agent.output_schema is None:
        return ""
    return _OUTPUT_INSTRUCTIONS.format(schema=json.dumps(agent.output_schema, ensure_ascii=False))


def plan_key(agent: AgentSpec) -> str:
    """Return the key of plans: ``plan``, or another one where the agent's output schema contains that word."""
    schema = json.dumps(agent.output_schema)
    numbered = (f"plan_{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain(_PLAN_KEYS, numbered) if f'"{key}"' not in schema)


def plan_schema(key: str) -> dict[str, JsonValue]:
    """Return the JSON Schema of a plan."""
    return {
        "type": "object",
        "properties": {key: {"type": "array", "items": {"type": "string"}, "minItems": 1}},
        "required": [key],
        "additionalProperties": False,
    }


def read_plan(text: str, key: str) -> tuple[str, ...]:
    """Return the steps of the first plan in the text; empty if there is none."""
    if f'"{key}"' not in text:
        return ()
    plans = (value[key] for value in json_values(text) if isinstance(value, dict) and key in value)
    return next(filter(None, map(_steps, plans)), ())


def _steps(plan: JsonValue) -> tuple[str, ...]:
    if not isinstance(plan, list):
        return ()
    return tuple(step.strip() for step in plan if isinstance(step, str) and step.strip())
