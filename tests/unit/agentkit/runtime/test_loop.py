from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.errors import LimitExceeded, ModelOutputInvalid
from agentkit.interfaces import CallTools, Finish, ModelResponse, Proceed, Retry, StopReason
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.approval_policy import ApprovalPolicy
from agentkit.runtime.loop import MAX_PARALLEL_CALLS, MAX_RETRIES, AgentLoop, with_unique_call_ids
from agentkit.specs import AgentSpec, ApprovalRule, Limits, ToolSpec

LOOK = ToolSpec(name="look", description="", parameters={}, effect="pure")
SEND = ToolSpec(name="send", description="", parameters={}, effect="irreversible")


def start(
    *,
    planner: str = "tools",
    tools: tuple[ToolSpec, ...] = (LOOK, SEND),
    limits: Limits | None = None,
    output_schema: dict[str, JsonValue] | None = None,
    approvals: tuple[ApprovalRule, ...] = (),
    usage: Usage | None = None,
    steps: int = 0,
) -> AgentLoop:
    agent = AgentSpec(
        name="a",
        models=("demo:demo",),
        planner=planner,
        tools=tools,
        limits=limits or Limits(),
        output_schema=output_schema,
        approvals=approvals,
    )
    messages = [user_message("hello")]
    return AgentLoop(agent, get_planner(planner), ApprovalPolicy(), messages, usage=usage, steps=steps)


def answer(*parts: ContentPart | str, stop: StopReason = "end", usage: Usage | None = None) -> ModelResponse:
    said = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=said, model="demo:demo")
    return ModelResponse(message=message, stop_reason=stop, usage=usage or Usage(model_calls=1))


def refusal(loop: AgentLoop, call: ToolCall, index: int = 0) -> str:
    result = loop.check_call(call, index)
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.name, result.is_error) == (call.id, call.name, True)
    return result.content


def test_a_step_asks_the_model_and_its_answer_ends_the_task() -> None:
    loop = start()
    assert loop.start_step() is None
    assert loop.record_response(answer("done", usage=Usage(input_tokens=3, output_tokens=1, model_calls=1))) == Finish(
        "done"
    )
    assert [message.role for message in loop.transcript.read()] == ["user", "assistant"]
    assert (loop.steps, loop.usage.tokens, loop.usage.model_calls) == (1, 4, 1)


def test_tool_calls_and_their_results_enter_the_transcript_in_order() -> None:
    loop = start()
    calls = (ToolCall(id="1", name="look"), ToolCall(id="2", name="look"))
    results = [ToolResult(call_id=call.id, name="look", content=call.id) for call in calls]
    assert loop.record_response(answer(*calls, stop="tool_calls")) == CallTools(calls)
    loop.record_results(results)
    assert loop.transcript.read()[-1] == Message(role="tool", parts=tuple(results))
    assert loop.usage.tool_calls == 2


def test_feedback_on_an_unusable_answer_is_the_delta_and_stands_after_that_answer() -> None:
    loop = start()
    assert not loop.composed_messages
    decision = loop.record_response(answer(""))
    assert isinstance(decision, Retry)
    (feedback,) = loop.composed_messages
    assert (feedback.role, feedback.source, feedback.text) == ("user", "planner", decision.feedback)
    assert [message.role for message in loop.transcript.read()] == ["user", "assistant", "user"]


def test_what_a_person_or_a_tool_said_is_no_delta() -> None:
    loop = start()
    loop.record_response(answer(ToolCall(id="1", name="look"), stop="tool_calls"))
    assert loop.composed_messages == ()
    loop.record_results([ToolResult(call_id="1", name="look", content="seen")])
    assert loop.composed_messages == ()


def test_too_many_unusable_answers_in_a_row_end_the_task_and_say_what_the_model_was_told() -> None:
    loop = start()
    for _ in range(MAX_RETRIES):
        loop.record_response(answer(""))
    with pytest.raises(
        ModelOutputInvalid, match=r"demo:demo gave 4 responses in a row without a tool call or an output.*empty"
    ):
        loop.record_response(answer(" \n"))


def test_a_usable_answer_starts_the_count_of_unusable_ones_anew() -> None:
    loop = start()
    for _ in range(3):
        for _ in range(MAX_RETRIES):
            assert isinstance(loop.record_response(answer("")), Retry)
        assert isinstance(loop.record_response(answer(ToolCall(id="1", name="look"), stop="tool_calls")), CallTools)


def test_a_step_beyond_max_steps_is_refused_with_the_numbers() -> None:
    loop = start(limits=Limits(max_steps=2))
    loop.start_step()
    loop.start_step()
    with pytest.raises(LimitExceeded, match="max_steps is 2, and the task has used 2 steps"):
        loop.start_step()
    assert loop.steps == 2


@pytest.mark.parametrize(
    ("limits", "usage", "words"),
    [
        pytest.param(
            Limits(max_tokens=10),
            Usage(input_tokens=7, output_tokens=3),
            "max_tokens is 10, and the task has used 10 tokens",
            id="tokens",
        ),
        pytest.param(
            Limits(max_cost_usd=0.5),
            Usage(cost_usd=0.75),
            r"max_cost_usd is 0\.5, and the task has cost 0\.75 USD",
            id="cost",
        ),
    ],
)
def test_a_step_beyond_what_may_be_spent_is_refused_with_the_numbers(limits: Limits, usage: Usage, words: str) -> None:
    with pytest.raises(LimitExceeded, match=words):
        start(limits=limits, usage=usage).start_step()


@pytest.mark.parametrize(
    ("limits", "usage"),
    [
        pytest.param(Limits(max_tokens=10), Usage(input_tokens=6, output_tokens=3, cached_tokens=6), id="tokens"),
        pytest.param(Limits(max_cost_usd=0.5), Usage(cost_usd=0.49), id="cost"),
        pytest.param(Limits(max_cost_usd=0.5), Usage(input_tokens=10**9), id="cost unknown"),
    ],
)
def test_a_step_within_the_limits_begins(limits: Limits, usage: Usage) -> None:
    assert start(limits=limits, usage=usage).start_step() is None


def test_a_loop_goes_on_from_the_steps_and_usage_it_is_given() -> None:
    loop = start(usage=Usage(input_tokens=5, model_calls=1), steps=7)
    loop.start_step()
    loop.record_response(answer("done", usage=Usage(input_tokens=2, model_calls=1)))
    assert (loop.steps, loop.usage.input_tokens, loop.usage.model_calls) == (8, 7, 2)


def test_the_placeholder_answers_unasked() -> None:
    loop = start(planner="placeholder")
    response = loop.start_step()
    assert response is not None
    assert loop.record_response(response) == Finish("hello")
    assert loop.usage == Usage()


def test_a_call_of_a_tool_that_the_agent_has_is_admitted() -> None:
    assert start().check_call(ToolCall(id="1", name="look"), 0) == LOOK


def test_a_call_of_an_unknown_tool_is_answered_with_the_names_of_those_there_are() -> None:
    assert refusal(start(), ToolCall(id="1", name="lok")) == "There is no tool 'lok'. Your tools: look, send."
    assert refusal(start(tools=()), ToolCall(id="1", name="look")).endswith("Your tools: none.")


def test_malformed_arguments_are_shown_to_the_model_in_part() -> None:
    content = refusal(start(), ToolCall(id="1", name="look", malformed='{"a": ' + "9" * 1000))
    assert content.startswith('Send one JSON object as arguments. This is none: \'{"a": 999')
    assert len(content) < 300


def test_an_irreversible_tool_without_a_rule_is_not_called_and_the_model_learns_how_to_go_on() -> None:
    content = refusal(start(), ToolCall(id="1", name="send"))
    assert "needs a person's approval (its effect, irreversible)" in content
    assert "Go on without it, and say so." in content
    assert "approvals: [{tool: send, when: never}]" in content


def test_a_rule_of_the_agent_admits_an_irreversible_tool() -> None:
    loop = start(approvals=(ApprovalRule(tool="send", when="never"),))
    assert loop.check_call(ToolCall(id="1", name="send"), 0) == SEND


def test_calls_beyond_the_most_of_one_step_are_refused_and_can_be_made_in_the_next() -> None:
    loop = start()
    assert loop.check_call(ToolCall(id="1", name="look"), MAX_PARALLEL_CALLS - 1) == LOOK
    content = refusal(loop, ToolCall(id="1", name="look"), MAX_PARALLEL_CALLS)
    assert content == f"Not called: a step has {MAX_PARALLEL_CALLS} calls at most. Call it in the next."


_ids = st.sampled_from(["", "c", "d", "c_1_0", "call_1_1"])
_answers = st.lists(_ids, max_size=4).map(
    lambda ids: Message(role="assistant", parts=tuple(ToolCall(id=id, name="look") for id in ids))
)


@given(answers=st.lists(_answers, max_size=5))
def test_the_ids_of_tool_calls_are_unique_within_a_task_whatever_the_provider_gives(answers: list[Message]) -> None:
    transcript: list[Message] = []
    for step, message in enumerate(answers, 1):
        transcript.append(with_unique_call_ids(message, transcript, step))
    ids = [call.id for message in transcript for call in message.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_ids_that_are_unique_already_stay() -> None:
    earlier = Message(role="assistant", parts=(ToolCall(id="a", name="look"),))
    message = Message(role="assistant", parts=(TextPart(text="so"), ToolCall(id="b", name="look")), model="m:x")
    assert with_unique_call_ids(message, [earlier], 2) == message


SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_an_answer_that_fits_the_schema_is_the_output_as_an_object() -> None:
    loop = start(output_schema=SCHEMA)
    assert loop.record_response(answer('```json\n{"n": 42}\n```')) == Finish({"n": 42})


@pytest.mark.parametrize("text", ["forty-two", '{"n": "42"}', "{}"])
def test_an_answer_that_does_not_fit_the_schema_is_asked_for_again_with_the_reason(text: str) -> None:
    loop = start(output_schema=SCHEMA)
    decision = loop.record_response(answer(text))
    assert isinstance(decision, Retry)
    assert loop.composed_messages[0].text == decision.feedback
    assert "JSON" in decision.feedback


def test_a_plan_is_kept_and_the_model_is_told_to_go_on() -> None:
    loop = start(planner="plan")
    decision = loop.record_response(answer('{"plan": ["look", "tell"]}'))
    assert isinstance(decision, Proceed)
    assert loop.plan == ("look", "tell")
    assert loop.composed_messages[0].text == decision.feedback


def test_a_model_that_only_ever_plans_ends_the_task() -> None:
    loop = start(planner="plan")
    for _ in range(MAX_RETRIES):
        loop.record_response(answer('{"plan": ["look"]}'))
    with pytest.raises(ModelOutputInvalid, match="without a tool call or an output"):
        loop.record_response(answer('{"plan": ["look"]}'))


def test_calls_that_a_planner_reads_out_of_text_get_ids_that_differ_from_step_to_step() -> None:
    loop = start(planner="react")
    ids = []
    for _ in range(2):
        loop.start_step()
        decision = loop.record_response(answer('{"thought": "", "action": {"name": "look", "arguments": {}}}'))
        assert isinstance(decision, CallTools)
        ids += [call.id for call in decision.calls]
    assert len(set(ids)) == 2
    assert all(ids)
