"""One step of the agent loop: which effects are carried out, in which order, and what their failures lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from pydantic import JsonValue

from agentkit.errors import LimitExceeded, ModelError, ModelNotAuthorized, ModelUnavailable, ToolError
from agentkit.interfaces import Finish, ModelResponse, PolicyDecision, SecurityPolicy
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.loop import MAX_PARALLEL_CALLS, AgentLoop, CheckedCall, run_step
from agentkit.runtime.security_policy import RulePolicy
from agentkit.specs import AgentSpec, Limits, ToolSpec
from agentkit.transcript import Transcript

LOOK = ToolSpec(name="look", description="", parameters={}, effect="pure")
SEND = ToolSpec(name="send", description="", parameters={}, effect="irreversible")


class InMemoryEffects:
    """``LoopEffects`` with scripted models and tools; ``log`` has one line for each effect, in order."""

    def __init__(
        self,
        responses: Sequence[ModelResponse | ModelError] = (),
        values: Mapping[str, JsonValue | Exception] | None = None,
    ) -> None:
        self.log: list[str] = []
        self.checked: list[CheckedCall] = []
        self.model_errors: list[tuple[str, ModelError]] = []
        self.plans: list[Sequence[str]] = []
        self._responses = iter(responses)
        self._values = values or {}
        """What a tool returns or raises, by the call's id; without an entry it returns the id."""

    async def request_model(self, loop: AgentLoop) -> ModelResponse:
        self.log.append(f"request {loop.model}")
        response = next(self._responses)
        if isinstance(response, ModelError):
            raise response
        return response

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int) -> JsonValue:
        self.log.append(f"call {tool.name} {call.id} in step {step}")
        value = self._values.get(call.id, call.id)
        if isinstance(value, Exception):
            raise value
        return value

    def on_model_failed(self, model: str, error: ModelError) -> None:
        self.log.append(f"failed {model}")
        self.model_errors.append((model, error))

    def on_plan(self, plan: Sequence[str]) -> None:
        self.log.append("plan")
        self.plans.append(plan)

    def on_calls_checked(self, calls: Sequence[CheckedCall]) -> None:
        self.log.append("checked")
        self.checked += calls

    def on_tool_result(self, result: ToolResult) -> None:
        self.log.append(f"result {result.call_id}")


def agent_loop(
    planner: str = "tools",
    models: tuple[str, ...] = ("demo:first",),
    limits: Limits | None = None,
    policy: SecurityPolicy | None = None,
) -> AgentLoop:
    agent = AgentSpec(name="a", models=models, planner=planner, tools=(LOOK, SEND), limits=limits or Limits())
    return AgentLoop(agent, get_planner(planner), policy or RulePolicy(), Transcript([user_message("hello")]))


def response(*parts: ContentPart) -> ModelResponse:
    message = Message(role="assistant", parts=parts, model="demo:first")
    return ModelResponse(
        message=message, stop_reason="tool_calls" if message.tool_calls else "end", usage=Usage(model_calls=1)
    )


def text_response(text: str) -> ModelResponse:
    return response(TextPart(text=text))


def look(*ids: str) -> list[ToolCall]:
    return [ToolCall(id=id, name="look") for id in ids]


def results_in(loop: AgentLoop) -> list[ToolResult]:
    """Return the tool results of the newest message."""
    return [part for part in loop.transcript.read()[-1].parts if isinstance(part, ToolResult)]


async def test_a_step_requests_the_model_then_checks_all_calls_and_then_makes_them() -> None:
    loop, effects = agent_loop(), InMemoryEffects([response(*look("a", "b"))])
    assert await run_step(loop, effects) is None
    assert effects.log[:2] == ["request demo:first", "checked"]
    assert sorted(effects.log[2:]) == ["call look a in step 1", "call look b in step 1", "result a", "result b"]
    assert effects.log.index("result a") > effects.log.index("call look a in step 1")
    assert [message.role for message in loop.transcript.read()] == ["user", "assistant", "tool"]


async def test_a_response_without_calls_ends_the_task_without_further_effects() -> None:
    loop, effects = agent_loop(), InMemoryEffects([text_response("done")])
    assert await run_step(loop, effects) == Finish("done")
    assert effects.log == ["request demo:first"]


async def test_refused_calls_never_reach_the_tool() -> None:
    calls = [
        ToolCall(id="irreversible", name="send"),
        ToolCall(id="unknown", name="lok"),
        ToolCall(id="malformed", name="look", malformed="{"),
        *look(*(f"{number}" for number in range(MAX_PARALLEL_CALLS))),
    ]
    loop, effects = agent_loop(), InMemoryEffects([response(*calls)])
    await run_step(loop, effects)
    made = [line for line in effects.log if line.startswith("call ")]
    assert made == [f"call look {number} in step 1" for number in range(MAX_PARALLEL_CALLS - 3)]
    refused = [checked.call.id for checked in effects.checked if isinstance(checked.outcome, ToolResult)]
    assert refused == ["irreversible", "unknown", "malformed", "29", "30", "31"]
    assert [result.call_id for result in results_in(loop)] == [call.id for call in calls]
    assert [result.call_id for result in results_in(loop) if result.is_error] == refused


async def test_checked_calls_are_paired_with_the_tool_or_with_the_result_that_the_model_reads() -> None:
    loop, effects = agent_loop(), InMemoryEffects([response(*look("a"), ToolCall(id="b", name="send"))])
    await run_step(loop, effects)
    first, second = effects.checked
    assert (first.call.id, first.outcome) == ("a", LOOK)
    assert (second.call.id, second.outcome) == ("b", results_in(loop)[1])


async def test_a_tool_error_is_a_result_and_the_task_continues() -> None:
    effects = InMemoryEffects(
        [response(*look("a", "b")), text_response("done")], {"a": ToolError("There is no such page.")}
    )
    loop = agent_loop()
    assert await run_step(loop, effects) is None
    assert results_in(loop) == [
        ToolResult(call_id="a", name="look", content="There is no such page.", is_error=True),
        ToolResult(call_id="b", name="look", content="b"),
    ]
    assert await run_step(loop, effects) == Finish("done")


async def test_any_other_error_of_a_tool_call_is_raised() -> None:
    effects = InMemoryEffects([response(*look("a"))], {"a": RuntimeError("cancelled")})
    with pytest.raises(RuntimeError, match="cancelled"):
        await run_step(agent_loop(), effects)


class LastCallFirst(InMemoryEffects):
    """Each call waits until all calls have started and the call after it has ended."""

    def __init__(self, calls: Sequence[ToolCall]) -> None:
        super().__init__([response(*calls)])
        self._all_started = asyncio.Barrier(len(calls))
        self._previous = dict(zip([call.id for call in calls], [call.id for call in calls[1:]], strict=False))
        self._ended = {call.id: asyncio.Event() for call in calls}

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int) -> JsonValue:
        await self._all_started.wait()
        if call.id in self._previous:
            await self._ended[self._previous[call.id]].wait()
        self._ended[call.id].set()
        return call.id


async def test_calls_run_in_parallel_and_their_results_keep_the_order_of_the_calls() -> None:
    loop, effects = agent_loop(), LastCallFirst(look("a", "b", "c"))
    async with asyncio.timeout(5):
        await run_step(loop, effects)
    assert [line for line in effects.log if line.startswith("result")] == ["result c", "result b", "result a"]
    assert [result.call_id for result in results_in(loop)] == ["a", "b", "c"]


async def test_when_a_model_fails_the_next_of_the_chain_is_requested_and_stays_in_use() -> None:
    first, second = ModelNotAuthorized("wrong key", status=401), ModelUnavailable("overloaded")
    loop = agent_loop(models=("demo:first", "demo:second", "demo:third"))
    effects = InMemoryEffects([first, second, response(*look("a")), text_response("done")])
    await run_step(loop, effects)
    assert effects.log[:5] == [
        "request demo:first",
        "failed demo:first",
        "request demo:second",
        "failed demo:second",
        "request demo:third",
    ]
    assert effects.model_errors == [("demo:first", first), ("demo:second", second)]
    assert await run_step(loop, effects) == Finish("done")
    assert effects.log[-1] == "request demo:third"
    assert loop.steps == 2, "a fallback is no step"


async def test_the_error_of_the_last_model_of_the_chain_is_raised() -> None:
    loop = agent_loop(models=("demo:first", "demo:second"))
    effects = InMemoryEffects([ModelUnavailable("first"), ModelUnavailable("second")])
    with pytest.raises(ModelUnavailable, match="second"):
        await run_step(loop, effects)
    assert effects.log[-1] == "failed demo:second"


async def test_a_plan_is_noted_and_another_step_follows() -> None:
    loop, effects = agent_loop("plan"), InMemoryEffects([text_response('{"plan": ["look", "report"]}')])
    assert await run_step(loop, effects) is None
    assert effects.plans == [("look", "report")]
    assert effects.log == ["request demo:first", "plan"]


async def test_feedback_on_an_unusable_response_has_no_effects() -> None:
    loop, effects = agent_loop(), InMemoryEffects([text_response("")])
    assert await run_step(loop, effects) is None
    assert effects.log == ["request demo:first"]
    assert loop.transcript.read()[-1].source == "planner"


async def test_calls_that_a_planner_parses_out_of_text_are_made_with_an_id() -> None:
    loop = agent_loop("react")
    effects = InMemoryEffects([text_response('{"thought": "", "action": {"name": "look", "arguments": {}}}')])
    await run_step(loop, effects)
    assert effects.log[-2:] == ["call look call_1_0 in step 1", "result call_1_0"]


async def test_the_placeholder_planner_requests_no_model() -> None:
    loop, effects = agent_loop("placeholder"), InMemoryEffects()
    assert await run_step(loop, effects) == Finish("hello")
    assert effects.log == []


async def test_a_reached_limit_is_raised_before_any_effect() -> None:
    loop, effects = agent_loop(limits=Limits(max_steps=1)), InMemoryEffects([response(*look("a"))])
    await run_step(loop, effects)
    effects.log.clear()
    with pytest.raises(LimitExceeded, match="max_steps is 1"):
        await run_step(loop, effects)
    assert effects.log == []


class DenyAll:
    """A ``SecurityPolicy`` that allows nothing."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        return PolicyDecision(action="deny", reason="read-only mode", decided_by="test")


async def test_a_call_that_the_policy_denies_is_refused_with_the_reason() -> None:
    loop, effects = agent_loop(policy=DenyAll()), InMemoryEffects([response(*look("a"))])
    await run_step(loop, effects)
    (result,) = results_in(loop)
    assert result.is_error
    assert result.content.startswith("Not called: look is not allowed: read-only mode.")
