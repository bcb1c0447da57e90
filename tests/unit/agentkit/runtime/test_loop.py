from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, LimitExceeded, ModelOutputInvalid, OutputUncheckable
from agentkit.interfaces import CallTools, Finish, ModelResponse, OutputCheck, Proceed, Retry, StopReason
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import get_planner
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.runtime.loop import MAX_PARALLEL_CALLS, MAX_RETRIES, AgentLoop
from agentkit.schemas.output_check import check_output
from agentkit.specs import AgentSpec, Limits, ModelSettings, PolicyRule, ToolSpec
from agentkit.transcript import Transcript

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LOOK = ToolSpec(name="look", description="", parameters={}, effect="pure")
SEND = ToolSpec(name="send", description="", parameters={}, effect="irreversible")
SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def agent_loop(
    *,
    planner: str = "tools",
    tools: tuple[ToolSpec, ...] = (LOOK, SEND),
    limits: Limits | None = None,
    output_schema: dict[str, JsonValue] | None = None,
    policy: tuple[PolicyRule, ...] = (),
    usage: Usage | None = None,
    steps: int = 0,
    retry_count: int = 0,
) -> AgentLoop:
    agent = AgentSpec(
        name="a",
        models=("demo:demo",),
        planner=planner,
        tools=tools,
        limits=limits or Limits(),
        output_schema=output_schema,
        policy=policy,
    )
    transcript = Transcript([user_message("hello")])
    return AgentLoop(
        agent, get_planner(planner), RulePolicy(), transcript, usage=usage, steps=steps, retry_count=retry_count
    )


def response(*parts: ContentPart | str, stop: StopReason = "end", usage: Usage | None = None) -> ModelResponse:
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=content, model="demo:demo")
    return ModelResponse(message=message, stop_reason=stop, usage=usage or Usage(model_calls=1))


def checked(text: str) -> ModelResponse:
    """Return a response with the check that ``request_model`` makes."""
    return response(text).model_copy(update={"output_check": check_output(text, SCHEMA)})


def refusal(loop: AgentLoop, call: ToolCall, index: int = 0) -> str:
    """Return the message of a call that the loop refuses."""
    result = loop.check_call(call, index, NOW).outcome
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.name, result.is_error) == (call.id, call.name, True)
    return result.content


def test_a_response_without_calls_is_the_output_and_its_usage_is_counted() -> None:
    loop = agent_loop()
    assert loop.start_step() is None
    decision = loop.record_response(response("done", usage=Usage(input_tokens=3, output_tokens=1, model_calls=1)))
    assert decision == Finish("done")
    assert [message.role for message in loop.transcript.read()] == ["user", "assistant"]
    assert (loop.steps, loop.usage.tokens, loop.usage.model_calls) == (1, 4, 1)


def test_tool_calls_and_their_results_enter_the_transcript_in_order() -> None:
    loop = agent_loop()
    calls = (ToolCall(id="1", name="look"), ToolCall(id="2", name="look"))
    results = [ToolResult(call_id=call.id, name="look", content=call.id) for call in calls]
    assert loop.record_response(response(*calls, stop="tool_calls")) == CallTools(calls)
    loop.record_results(calls, results)
    assert loop.transcript.read()[-1] == Message(role="tool", parts=tuple(results))
    assert loop.usage.tool_calls == 2


def test_feedback_on_an_unusable_response_follows_it_as_a_composed_message() -> None:
    loop = agent_loop()
    assert not loop.composed_messages
    decision = loop.record_response(response(""))
    assert isinstance(decision, Retry)
    (feedback,) = loop.composed_messages
    assert (feedback.role, feedback.source, feedback.text) == ("user", "planner", decision.feedback)
    assert [message.role for message in loop.transcript.read()] == ["user", "assistant", "user"]


def test_messages_of_people_models_and_tools_are_not_composed_messages() -> None:
    loop = agent_loop()
    call = ToolCall(id="1", name="look")
    loop.record_response(response(call, stop="tool_calls"))
    assert loop.composed_messages == ()
    loop.record_results([call], [ToolResult(call_id="1", name="look", content="seen")])
    assert loop.composed_messages == ()


def test_too_many_unusable_responses_in_a_row_are_an_error_with_the_last_feedback() -> None:
    loop = agent_loop()
    for _ in range(MAX_RETRIES):
        loop.record_response(response(""))
    with pytest.raises(
        ModelOutputInvalid, match=r"demo:demo gave 4 responses in a row without a tool call or an output.*empty"
    ):
        loop.record_response(response(" \n"))


every_planner = pytest.mark.parametrize("planner", ["tools", "react", "plan"])
COMPLETE_TEXTS = [
    "It is 42.",
    '{"action": {"name": "look", "arguments": {}}}',
    '{"plan": ["look"]}',
    "Final Answer: 42",
]


@every_planner
@pytest.mark.parametrize("text", ["", *COMPLETE_TEXTS])
def test_text_that_was_cut_off_is_never_acted_on_and_the_model_reads_why(planner: str, text: str) -> None:
    loop = agent_loop(planner=planner)
    decision = loop.record_response(response(text, stop="length"))
    assert isinstance(decision, Retry)
    assert "cut off at your output limit" in decision.feedback
    assert loop.composed_messages[0].text == decision.feedback
    assert (loop.plan, loop.transcript.read()[1].text) == ((), text)


@every_planner
def test_no_call_of_a_response_that_was_cut_off_is_made_not_even_a_complete_one(planner: str) -> None:
    loop = agent_loop(planner=planner)
    calls = (ToolCall(id="1", name="look", arguments={"at": "sky"}), ToolCall(id="2", name="look", malformed='{"at'))
    assert loop.record_response(response("I look.", *calls, stop="length")) == CallTools(calls)
    for call in calls:
        assert "Not called: your response was cut off at your output limit" in refusal(loop, call)
    loop.record_response(response(calls[0], stop="tool_calls"))
    assert loop.check_call(calls[0], 0, NOW).outcome == LOOK, "the next response counts again"


@pytest.mark.parametrize(
    ("max_output_tokens", "setting"), [(None, "it isn't set, so the provider's default applies"), (64, "now 64")]
)
@pytest.mark.parametrize("part", ["It is becau", ToolCall(id="1", name="look")], ids=["text", "call"])
def test_after_four_responses_in_a_row_that_were_cut_off_the_error_names_the_setting_and_what_was_said(
    part: ContentPart | str, max_output_tokens: int | None, setting: str
) -> None:
    agent = agent_loop().agent.model_copy(update={"model_settings": ModelSettings(max_output_tokens=max_output_tokens)})
    loop = AgentLoop(agent, get_planner("tools"), RulePolicy(), Transcript([user_message("hello")]))
    cut_off = response("So far: ", part, stop="length")
    for _ in range(MAX_RETRIES):
        loop.record_response(cut_off)
    with pytest.raises(ModelOutputInvalid) as raised:
        loop.record_response(cut_off)
    assert str(raised.value).startswith("demo:demo was cut off at its output limit in 4 responses in a row.")
    assert f"Raise max_output_tokens in the agent's model_settings ({setting})" in str(raised.value)
    assert f"The last one ended with: {cut_off.message.text}" in str(raised.value)


def test_the_error_quotes_the_end_of_a_long_response() -> None:
    loop = agent_loop(retry_count=MAX_RETRIES)
    with pytest.raises(ModelOutputInvalid) as raised:
        loop.record_response(response("x" * 10_000 + "the end", stop="length"))
    assert str(raised.value).endswith("xxxthe end")
    assert len(str(raised.value)) < 1_000


def test_responses_cut_off_and_others_that_are_unusable_are_counted_together() -> None:
    loop = agent_loop()
    for stop in ("length", "end", "length"):
        loop.record_response(response("", stop=stop))
    with pytest.raises(ModelOutputInvalid, match="4 responses in a row without a tool call"):
        loop.record_response(response(""))


def test_a_usable_response_resets_the_count_of_unusable_ones() -> None:
    loop = agent_loop()
    for _ in range(3):
        for _ in range(MAX_RETRIES):
            assert isinstance(loop.record_response(response("")), Retry)
        assert isinstance(loop.record_response(response(ToolCall(id="1", name="look"), stop="tool_calls")), CallTools)


def test_a_step_beyond_max_steps_is_an_error_with_the_numbers() -> None:
    loop = agent_loop(limits=Limits(max_steps=2))
    loop.start_step()
    loop.start_step()
    with pytest.raises(LimitExceeded, match="max_steps is 2, and the task has used 2 steps"):
        loop.start_step()
    assert loop.steps == 2


@pytest.mark.parametrize(
    ("limits", "usage", "message"),
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
def test_a_step_beyond_the_tokens_or_the_cost_is_an_error_with_the_numbers(
    limits: Limits, usage: Usage, message: str
) -> None:
    with pytest.raises(LimitExceeded, match=message):
        agent_loop(limits=limits, usage=usage).start_step()


@pytest.mark.parametrize(
    ("limits", "usage"),
    [
        pytest.param(Limits(max_tokens=10), Usage(input_tokens=6, output_tokens=3, cached_tokens=6), id="tokens"),
        pytest.param(Limits(max_cost_usd=0.5), Usage(cost_usd=0.49), id="cost"),
        pytest.param(Limits(max_cost_usd=0.5), Usage(input_tokens=10**9), id="unknown cost"),
    ],
)
def test_a_step_within_the_limits_starts(limits: Limits, usage: Usage) -> None:
    assert agent_loop(limits=limits, usage=usage).start_step() is None


def test_a_loop_adds_to_the_steps_and_usage_that_it_is_created_with() -> None:
    loop = agent_loop(usage=Usage(input_tokens=5, model_calls=1), steps=7)
    loop.start_step()
    loop.record_response(response("done", usage=Usage(input_tokens=2, model_calls=1)))
    assert (loop.steps, loop.usage.input_tokens, loop.usage.model_calls) == (8, 7, 2)


def test_the_placeholder_planner_responds_without_a_model() -> None:
    loop = agent_loop(planner="placeholder")
    without_model = loop.start_step()
    assert without_model is not None
    assert loop.record_response(without_model) == Finish("hello")
    assert loop.usage == Usage()


def test_a_call_of_a_tool_of_the_agent_is_accepted() -> None:
    assert agent_loop().check_call(ToolCall(id="1", name="look"), 0, NOW).outcome == LOOK


def test_a_call_of_an_unknown_tool_is_refused_with_the_names_of_the_agents_tools() -> None:
    assert refusal(agent_loop(), ToolCall(id="1", name="lok")) == "There is no tool 'lok'. Your tools: look, send."
    assert refusal(agent_loop(tools=()), ToolCall(id="1", name="look")).endswith("Your tools: none.")


def test_no_rule_makes_a_tool_callable_that_the_agent_does_not_list() -> None:
    loop = agent_loop(policy=(PolicyRule(tool="*", then="allow"),))
    assert loop.check_call(ToolCall(id="1", name="send"), 0, NOW).outcome == SEND
    for name in ("drop", "Send", "send ", "*", "", "tool.send"):
        assert refusal(loop, ToolCall(id="1", name=name)).startswith(f"There is no tool {name!r}.")


def test_malformed_arguments_are_refused_with_their_first_characters() -> None:
    content = refusal(agent_loop(), ToolCall(id="1", name="look", malformed='{"a": ' + "9" * 1000))
    assert content.startswith("Send one JSON object as arguments, nested at most 100 levels deep. This is none: ")
    assert '{"a": 999' in content
    assert len(content) < 300


def test_a_call_that_needs_approval_waits_for_a_person() -> None:
    checked = agent_loop().check_call(ToolCall(id="1", name="send"), 0, NOW)
    assert checked.outcome == SEND
    assert checked.decision is not None
    assert (checked.decision.action, checked.decision.reason) == ("ask", "its effect, irreversible")


def test_a_rule_of_the_agent_allows_an_irreversible_tool() -> None:
    loop = agent_loop(policy=(PolicyRule(tool="send", then="allow"),))
    assert loop.check_call(ToolCall(id="1", name="send"), 0, NOW).outcome == SEND


def test_calls_beyond_the_limit_of_a_step_are_refused() -> None:
    loop = agent_loop()
    assert loop.check_call(ToolCall(id="1", name="look"), MAX_PARALLEL_CALLS - 1, NOW).outcome == LOOK
    content = refusal(loop, ToolCall(id="1", name="look"), MAX_PARALLEL_CALLS)
    assert content == f"Not called: a step has {MAX_PARALLEL_CALLS} calls at most. Call it in the next."


def test_a_response_that_fits_the_schema_is_the_output_as_a_json_value() -> None:
    loop = agent_loop(output_schema=SCHEMA)
    assert loop.record_response(checked('```json\n{"n": 42}\n```')) == Finish({"n": 42})


@pytest.mark.parametrize("text", ["forty-two", '{"n": "42"}', "{}"])
def test_a_response_that_does_not_fit_the_schema_gets_feedback_with_the_reason(text: str) -> None:
    loop = agent_loop(output_schema=SCHEMA)
    decision = loop.record_response(checked(text))
    assert isinstance(decision, Retry)
    assert loop.composed_messages[0].text == decision.feedback
    assert "JSON" in decision.feedback


def test_a_check_without_a_result_ends_the_task_and_its_response_is_recorded() -> None:
    loop = agent_loop(output_schema=SCHEMA)
    failed = checked("{}").model_copy(update={"output_check": OutputCheck(failure="it took too long")})
    with pytest.raises(OutputUncheckable, match="can't be checked against output_schema: it took too long"):
        loop.record_response(failed)
    assert (loop.transcript.read()[-1].text, loop.usage.model_calls) == ("{}", 1)


def test_a_refused_response_ends_the_task_keeps_its_text_and_makes_no_call() -> None:
    loop = agent_loop()
    refused = response("I have begun to", ToolCall(id="1", name="look"), stop="refusal")
    with pytest.raises(ContentRefused, match=r"demo:demo refused to go on.* It wrote: I have begun to"):
        loop.record_response(refused)
    assert (loop.transcript.read()[-1].text, loop.usage.model_calls) == ("I have begun to", 1)


def test_a_plan_is_kept_and_feedback_asks_the_model_to_carry_it_out() -> None:
    loop = agent_loop(planner="plan")
    decision = loop.record_response(response('{"plan": ["look", "report"]}'))
    assert isinstance(decision, Proceed)
    assert loop.plan == ("look", "report")
    assert loop.composed_messages[0].text == decision.feedback


def test_too_many_plans_in_a_row_are_an_error() -> None:
    loop = agent_loop(planner="plan")
    for _ in range(MAX_RETRIES):
        loop.record_response(response('{"plan": ["look"]}'))
    with pytest.raises(ModelOutputInvalid, match="without a tool call or an output"):
        loop.record_response(response('{"plan": ["look"]}'))


def test_calls_that_a_planner_parses_out_of_text_get_unique_ids() -> None:
    loop = agent_loop(planner="react")
    ids = []
    for _ in range(2):
        loop.start_step()
        decision = loop.record_response(response('{"thought": "", "action": {"name": "look", "arguments": {}}}'))
        assert isinstance(decision, CallTools)
        ids += [call.id for call in decision.calls]
    assert len(set(ids)) == 2
    assert all(ids)
