"""One step of the agent loop: which effects are carried out, in which order, and what their failures lead to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import (
    ContextTooLong,
    LimitExceeded,
    MessageTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelUnavailable,
    NotDone,
    OpspawnError,
    ResultUnreadable,
    ToolArgumentsInvalid,
    ToolError,
    ToolInterrupted,
    ToolNotServed,
)
from agentkit.input_requests import InputAnswer, InputRequest, call_sha256
from agentkit.interfaces import (
    CompactionReason,
    ContextUse,
    Done,
    Finish,
    McpCall,
    McpDescription,
    McpToolCall,
    ModelResponse,
    PolicyDecision,
    ProbeOutcome,
    SecurityPolicy,
    ToolValue,
    Unknown,
)
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.calls.call_effects import CheckedCall
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from agentkit.runtime.calls.sampling import SamplingRequest
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.runtime.limit_requests import limit_request
from agentkit.runtime.loop import MAX_PARALLEL_CALLS, AgentLoop
from agentkit.runtime.step import run_step
from agentkit.specs import AgentSpec, Limits, ToolSpec
from agentkit.transcript import Transcript

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LOOK = ToolSpec(name="look", description="", parameters={}, effect="pure")
SEND = ToolSpec(name="send", description="", parameters={}, effect="irreversible")


class InMemoryEffects:
    """``LoopEffects`` with scripted models and tools; ``log`` has one line for each effect, in order."""

    def __init__(
        self,
        responses: Sequence[ModelResponse | ModelError] = (),
        values: Mapping[str, Any] | None = None,
    ) -> None:
        self.log: list[str] = []
        self.checked: list[CheckedCall] = []
        self.model_errors: list[tuple[str, ModelError]] = []
        self.plans: list[Sequence[str]] = []
        self._responses = iter(responses)
        self._values = values or {}
        """What a tool returns or raises, by the call's id: several in a row as a list; without an entry, the id."""
        self.outcome: ProbeOutcome = Unknown()
        self.answers: list[dict[str, Any]] = []
        """Answers to input requests, in order, without their ids."""
        self.requests: list[InputRequest] = []
        self.messages: list[Message] = []
        """What people wrote, for the next step."""
        self.compactions: list[list[Message] | OpspawnError | None] = []
        """The messages that the transcript is shortened to, or why it can't be, in order; None: nothing is left out."""
        self.compaction_errors: list[OpspawnError] = []

    async def ask_for_limit(self, reached: str, step: int) -> InputAnswer:
        return await self.ask(limit_request(self, reached, step))

    async def before_step(self, loop: AgentLoop) -> None:
        loop.append_messages(self.messages)
        self.messages = []

    async def before_call(self, tool: ToolSpec) -> None:
        pass

    def on_call_edited(self, call: ToolCall, tool: ToolSpec) -> None:
        self.log.append(f"edited {tool.name} {json.dumps(call.arguments)}")

    async def request_model(self, loop: AgentLoop) -> ModelResponse:
        self.log.append(f"request {loop.model}")
        response = next(self._responses)
        if isinstance(response, ModelError):
            raise response
        return response

    async def compact(self, loop: AgentLoop, reason: CompactionReason, attempt: int = 1) -> bool:
        self.log.append(f"compact {reason} {attempt}")
        compacted = self.compactions.pop(0)
        if isinstance(compacted, OpspawnError):
            raise compacted
        if compacted is not None:
            loop.replace_transcript(Transcript(compacted), Usage(input_tokens=7, output_tokens=3, model_calls=1))
        return compacted is not None

    def on_compaction_failed(self, error: OpspawnError) -> None:
        self.compaction_errors.append(error)

    async def describe_mcp_tools(self, calls: Sequence[McpToolCall], taken: Collection[str]) -> McpDescription:
        raise AssertionError("no agent here has mcp_call")

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int, mcp: McpCall | None = None) -> ToolValue:
        self.log.append(f"call {tool.name} {call.id} in step {step}")
        value = self._values.get(call.id, call.id)
        if isinstance(value, list):
            value = value.pop(0)
        if isinstance(value, BaseException):
            raise value
        returned: JsonValue = value
        return returned

    async def sample(self, request: SamplingRequest) -> ModelResponse:
        raise NotImplementedError

    def now(self) -> datetime:
        return NOW

    async def probe_tool(self, tool: ToolSpec, call: ToolCall, step: int, error: ToolInterrupted) -> ProbeOutcome:
        self.log.append(f"probe {tool.name} {call.id}")
        return self.outcome

    def next_request_id(self) -> str:
        return f"input_{len(self.requests) + 1}"

    async def ask(self, request: InputRequest) -> InputAnswer:
        self.log.append(f"ask {request.kind} {request.call_id}")
        self.requests.append(request)
        return InputAnswer(input_request_id=request.id, **self.answers.pop(0))

    def on_call_denied(self, call: ToolCall, result: ToolResult) -> None:
        self.log.append(f"denied {call.id}")

    def on_outcome_settled(self, call: ToolCall, result: ToolResult) -> None:
        self.log.append(f"settled {call.id}")

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


class DenySend:
    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        return PolicyDecision(action="deny" if tool.name == "send" else "allow", reason="no", decided_by="a test")


async def test_refused_calls_never_reach_the_tool() -> None:
    calls = [
        ToolCall(id="denied", name="send"),
        ToolCall(id="unknown", name="lok"),
        ToolCall(id="malformed", name="look", malformed="{"),
        *look(*(f"{number}" for number in range(MAX_PARALLEL_CALLS))),
    ]
    loop, effects = agent_loop(policy=DenySend()), InMemoryEffects([response(*calls)])
    await run_step(loop, effects)
    made = [line for line in effects.log if line.startswith("call ")]
    assert made == [f"call look {number} in step 1" for number in range(MAX_PARALLEL_CALLS - 3)]
    refused = [checked.call.id for checked in effects.checked if isinstance(checked.outcome, ToolResult)]
    assert refused == ["denied", "unknown", "malformed", "29", "30", "31"]
    assert [result.call_id for result in results_in(loop)] == [call.id for call in calls]
    assert [result.call_id for result in results_in(loop) if result.is_error] == refused


async def test_checked_calls_are_paired_with_the_tool_or_with_the_result_that_the_model_reads() -> None:
    loop = agent_loop(policy=DenySend())
    effects = InMemoryEffects([response(*look("a"), ToolCall(id="b", name="send"))])
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

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int, mcp: McpCall | None = None) -> ToolValue:
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


SHORT = [user_message("hello"), user_message("This is a summary.")]
TOO_LONG = ContextTooLong("too long", status=400)


def full_response(*parts: ContentPart, tokens: int = 800) -> ModelResponse:
    """Return a response that says that the transcript takes so much of a window of 1,000 tokens."""
    return response(*parts).model_copy(update={"context": ContextUse(tokens=tokens, window=1_000)})


async def test_a_transcript_that_takes_its_share_is_shortened_before_the_next_step() -> None:
    loop, effects = agent_loop(), InMemoryEffects([full_response(*look("a")), text_response("done")])
    effects.compactions = [SHORT]
    await run_step(loop, effects)
    assert not any(line.startswith("compact") for line in effects.log)
    effects.messages = [user_message("And hurry.")]
    await run_step(loop, effects)
    assert effects.log[-2:] == ["compact share 1", "request demo:first"]
    assert [message.text for message in loop.transcript.read()] == ["hello", "This is a summary.", "done"]
    assert (loop.usage.model_calls, loop.usage.tokens, loop.steps) == (3, 10, 2)
    assert loop.step_ends == [1, 3, 3]


@pytest.mark.parametrize("outcome", [ModelUnavailable("overloaded"), MessageTooLong("1,100 of 1,000 tokens"), None])
async def test_a_transcript_that_cannot_be_shortened_at_its_share_stays_and_is_tried_again_when_it_has_grown(
    outcome: OpspawnError | None,
) -> None:
    responses = [full_response(*look(f"{tokens}"), tokens=tokens) for tokens in (800, 850, 900, 950)]
    loop, effects = agent_loop(), InMemoryEffects(responses)
    effects.compactions = [outcome, SHORT]
    for _ in range(3):
        await run_step(loop, effects)
    assert [line for line in effects.log if line.startswith("compact")] == ["compact share 1"]
    assert effects.compaction_errors == ([] if outcome is None else [outcome])
    await run_step(loop, effects)
    assert [line for line in effects.log if line.startswith("compact")] == ["compact share 1"] * 2


async def test_a_request_that_is_too_long_is_repeated_with_a_shorter_transcript_three_times_for_each_model() -> None:
    loop = agent_loop(models=("demo:first", "demo:second"))
    effects = InMemoryEffects([TOO_LONG] * 5 + [text_response("done")])
    effects.compactions = [SHORT] * 4
    assert await run_step(loop, effects) == Finish("done")
    log = [line for line in effects.log if not line.startswith("failed")]
    tries = [line for attempt in (1, 2, 3) for line in ("request demo:first", f"compact too_long {attempt}")]
    second = ["request demo:second", "compact too_long 1", "request demo:second"]
    assert log == [*tries, "request demo:first", *second]
    assert loop.steps == 1


async def test_what_is_too_long_by_itself_ends_the_task_once_the_last_model_has_refused_it() -> None:
    loop = agent_loop(models=("demo:first", "demo:second"))
    effects = InMemoryEffects([TOO_LONG, TOO_LONG])
    effects.compactions = [MessageTooLong("1,100 of 1,000 tokens"), MessageTooLong("1,100 of 1,000 tokens")]
    with pytest.raises(MessageTooLong, match="1,100 of 1,000"):
        await run_step(loop, effects)
    assert loop.model == "demo:second"


@pytest.mark.parametrize("outcome", [ModelUnavailable("overloaded"), None])
async def test_a_request_that_cannot_be_shortened_fails_as_the_model_says(outcome: OpspawnError | None) -> None:
    loop, effects = agent_loop(), InMemoryEffects([TOO_LONG])
    effects.compactions = [outcome]
    with pytest.raises(ContextTooLong):
        await run_step(loop, effects)


async def test_other_errors_of_a_model_shorten_nothing() -> None:
    loop, effects = (
        agent_loop(models=("demo:first", "demo:second")),
        InMemoryEffects([ModelNotAuthorized("wrong key"), text_response("done")]),
    )
    await run_step(loop, effects)
    assert effects.log == ["request demo:first", "failed demo:first", "request demo:second"]


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


# The effect ledger: approvals, and calls that are cut off.

SEND_WITH_PROBE = SEND.model_copy(update={"has_probe": True})
CUT_OFF = ToolInterrupted("send was started, and its worker was lost.")


class AllowAll:
    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        return PolicyDecision(action="allow", reason="all", decided_by="a test")


def ledger_loop(policy: SecurityPolicy | None = None, tool: ToolSpec = SEND) -> AgentLoop:
    agent = AgentSpec(name="a", models=("demo:first",), planner="tools", tools=(LOOK, tool))
    return AgentLoop(agent, get_planner("tools"), policy or AllowAll(), Transcript([user_message("hello")]))


async def send_once(loop: AgentLoop, effects: InMemoryEffects) -> tuple[LedgerEntry, ToolResult]:
    """Run a step with one call of ``send``; return its entry and its result."""
    await run_step(loop, effects)
    return loop.ledger.entries[-1], results_in(loop)[-1]


def sending(*values: Any) -> InMemoryEffects:
    return InMemoryEffects([response(ToolCall(id="1", name="send", arguments={"b": 1, "a": 2}))], {"1": list(values)})


@pytest.mark.parametrize(
    ("value", "state", "text"),
    [
        pytest.param("sent", "done", "sent", id="done"),
        pytest.param(ToolError("no money"), "failed", "no money", id="the tool's error"),
        pytest.param(ResultUnreadable("sent, but"), "done", "sent, but", id="done, with an unreadable result"),
        pytest.param(NotDone("closed today"), "not_done", "closed today", id="not done"),
        pytest.param(ToolArgumentsInvalid("b is wrong"), "not_done", "b is wrong", id="arguments"),
    ],
)
async def test_the_ledger_has_the_state_of_an_irreversible_call(value: object, state: str, text: str) -> None:
    entry, result = await send_once(ledger_loop(), sending(value))
    assert (entry.state, entry.attempts, entry.effect, entry.decided_by) == (state, 1, "irreversible", "a test")
    assert (entry.idempotency_key, entry.proposed_at, entry.started_at, entry.ended_at) == ("local/1", NOW, NOW, NOW)
    assert entry.arguments_sha256 == "d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"
    assert (result.content, result.is_error) == (text, value != "sent")


async def test_a_call_that_no_worker_takes_is_not_done_and_its_error_ends_the_task() -> None:
    loop, effects = ledger_loop(), sending(ToolNotServed("nobody has send"))
    with pytest.raises(ToolNotServed):
        await run_step(loop, effects)
    assert loop.ledger.entries[-1].state == "not_done"


@pytest.mark.parametrize("tool", [SEND, SEND_WITH_PROBE], ids=["no probe", "a probe that can't tell"])
@pytest.mark.parametrize(
    ("answer", "state", "content", "is_error"),
    [
        pytest.param({"decision": "happened", "result": {"id": 7}}, "done", '{"id": 7}', False, id="with a result"),
        pytest.param({"decision": "happened"}, "done", "a person has found", False, id="without one"),
        pytest.param({"decision": "give_up"}, "unknown", "UNKNOWN. Don't call it again", True, id="given up"),
    ],
)
async def test_a_person_settles_a_call_that_was_cut_off(
    tool: ToolSpec, answer: dict[str, Any], state: str, content: str, is_error: bool
) -> None:
    loop, effects = ledger_loop(tool=tool), sending(CUT_OFF)
    effects.answers = [{**answer, "answered_by": "ada"}]
    entry, result = await send_once(loop, effects)
    assert (entry.state, entry.decided_by, entry.attempts) == (state, "person: ada", 1)
    assert content in result.content
    assert result.is_error is is_error
    assert effects.requests[0].kind == "unknown_outcome"
    assert "may have taken effect: send was started, and its worker was lost." in effects.requests[0].message
    assert effects.log.count("call send 1 in step 1") == 1, "never repeated without a person's word"
    assert effects.log[-2:] == ["settled 1", "result 1"]


async def test_a_call_is_made_again_when_a_person_says_that_it_did_not_happen() -> None:
    loop, effects = ledger_loop(), sending(CUT_OFF, "sent")
    effects.answers = [{"decision": "retry"}]
    entry, result = await send_once(loop, effects)
    assert (entry.state, entry.attempts, entry.decided_by, result.content) == ("done", 2, "person", "sent")


async def test_a_second_attempt_that_is_cut_off_asks_again() -> None:
    loop, effects = ledger_loop(), sending(CUT_OFF, CUT_OFF)
    effects.answers = [{"decision": "retry"}, {"decision": "happened", "result": "sent"}]
    entry, _ = await send_once(loop, effects)
    assert (entry.state, entry.attempts) == ("done", 2)
    assert [request.id for request in effects.requests] == ["input_1", "input_2"]


@pytest.mark.parametrize(
    ("outcome", "state", "content"),
    [
        pytest.param(Done({"id": 7}), "done", '{"id": 7}', id="done"),
        pytest.param(NotDone("no such payment"), "not_done", "did not take effect: that was checked.", id="not done"),
    ],
)
async def test_a_probe_settles_a_call_that_was_cut_off_without_a_person(
    outcome: ProbeOutcome, state: str, content: str
) -> None:
    loop, effects = ledger_loop(tool=SEND_WITH_PROBE), sending(CUT_OFF)
    effects.outcome = outcome
    entry, result = await send_once(loop, effects)
    assert (entry.state, entry.decided_by, entry.attempts) == (state, "probe", 1)
    assert content in result.content
    assert effects.requests == []
    assert "probe send 1" in effects.log


async def test_an_interrupted_call_of_an_idempotent_tool_is_an_error_that_asks_nobody() -> None:
    loop, effects = ledger_loop(tool=SEND.model_copy(update={"effect": "idempotent"})), sending(CUT_OFF)
    entry, result = await send_once(loop, effects)
    assert (entry.state, result.is_error, effects.requests) == ("failed", True, [])


async def test_an_approved_call_is_made_and_the_ledger_names_the_person() -> None:
    loop, effects = ledger_loop(RulePolicy()), sending("sent")
    effects.answers = [{"decision": "approve", "answered_by": "ada"}]
    entry, result = await send_once(loop, effects)
    assert (entry.state, entry.decided_by, result.content) == ("done", "person: ada", "sent")
    request = effects.requests[0]
    assert (request.kind, request.tool, request.arguments) == ("approval", "send", {"b": 1, "a": 2})
    assert request.sha256 == call_sha256(SEND, {"a": 2, "b": 1}), "the order of keys doesn't matter"
    assert request.sha256 != call_sha256(SEND.model_copy(update={"description": "x"}), {"a": 2, "b": 1})


async def test_a_denied_call_is_refused_with_the_persons_words() -> None:
    loop, effects = ledger_loop(RulePolicy()), sending("sent")
    effects.answers = [{"decision": "deny", "comment": "Too much.", "answered_by": "ada"}]
    entry, result = await send_once(loop, effects)
    assert (entry.state, entry.attempts, entry.decided_by) == ("refused", 0, "person: ada")
    assert result.content == "Not called: send was not approved: Too much. Go on without it, and say so."
    assert "call send 1 in step 1" not in effects.log
    assert "denied 1" in effects.log


async def test_a_refused_call_is_in_the_ledger() -> None:
    loop, effects = ledger_loop(), InMemoryEffects([response(ToolCall(id="1", name="nothing"))])
    entry, _ = await send_once(loop, effects)
    assert (entry.state, entry.effect, entry.attempts) == ("refused", None, 0)


async def test_a_cancelled_irreversible_call_is_unknown_in_the_ledger() -> None:
    loop, effects = ledger_loop(), sending(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await run_step(loop, effects)
    assert loop.ledger.entries[-1].state == "unknown"
