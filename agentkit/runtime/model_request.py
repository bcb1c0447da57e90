"""Request a model with an agent's transcript: the same in the worker's model activity and in the local runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentkit.interfaces import CallTools, Emit, Finish, Model, ModelResponse, OutputChecker
from agentkit.messages import Message
from agentkit.observed_calls import observed_response
from agentkit.planners import get_planner
from agentkit.runtime.argument_check import are_arguments_checked, refused_arguments
from agentkit.runtime.calls.call_ids import with_unique_call_ids
from agentkit.runtime.context_share import reached_share
from agentkit.specs import AgentSpec

__all__ = ["request_model", "with_unpriced_calls"]


async def request_model(
    model: Model,
    agent: AgentSpec,
    messages: Sequence[Message],
    *,
    checker: OutputChecker,
    name: str,
    step: int,
    attempt: int = 1,
    own_start: int = 0,
    emit: Emit | None = None,
) -> ModelResponse:
    """Render the messages by the agent's planner, send them once, and return the response with unique call ids.

    Its usage counts the call as unpriced if its cost is unknown. A text that ends the task is checked here against the
    agent's output schema, and the arguments of external and MCP tools against theirs: a check may take long, and
    workflow code must not. The response says when the transcript takes too much of the model's context window.

    Args:
        model: The client of the provider.
        agent: Whose planner, instructions, tools and settings the request is made of.
        messages: The transcript.
        checker: Checks output and arguments.
        name: The model, as ``provider:name``.
        step: Number of the step, from 1; part of the ids that replace missing or repeated ones.
        attempt: From 1; greater when an earlier attempt of the same request failed.
        own_start: The position of the task's own first message; see ``Planner.render``.
        emit: Receives the deltas of the response.

    Raises:
        ModelError: the model gave no response.
    """
    request = get_planner(agent.planner).render(agent, messages, agent.tools, own_start=own_start)
    response = with_unpriced_calls(await observed_response(model, replace(request, model=name, attempt=attempt), emit))
    message = with_unique_call_ids(response.message, messages, step)
    checks = await _check(checker, agent, response) | {"context": reached_share(agent, name, response.usage)}
    return response.model_copy(update={"message": message, **checks})


def with_unpriced_calls(response: ModelResponse) -> ModelResponse:
    """Return the response with its call counted as unpriced, if its cost is unknown."""
    usage = response.usage
    if usage.cost_usd is not None:
        return response
    return response.model_copy(update={"usage": usage.model_copy(update={"unpriced_calls": usage.model_calls})})


async def _check(checker: OutputChecker, agent: AgentSpec, response: ModelResponse) -> dict[str, object]:
    """Return the fields of the response that say what doesn't fit a schema."""
    has_schemas = agent.output_schema is not None or any(map(are_arguments_checked, (*agent.tools, *agent.proxied)))
    if not has_schemas or response.stop_reason in ("length", "refusal"):
        return {}
    match get_planner(agent.planner).decide(response, agent):
        case Finish(str() as text) if agent.output_schema is not None:
            return {"output_check": await checker.check(text, agent.output_schema)}
        case CallTools(calls):
            return {"refused_arguments": await refused_arguments(checker, agent, calls)}
    return {}
