"""Arguments of external tools and questions are checked with the response, by every planner, before any call."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from agentkit.errors import ToolNotServed
from agentkit.interfaces import OutputCheck
from agentkit.messages import ToolCall, user_message
from agentkit.runtime.argument_check import are_arguments_checked, refused_arguments
from agentkit.runtime.local_runner import LocalRunner
from agentkit.runtime.loop import MAX_PARALLEL_CALLS
from agentkit.runtime.model_request import request_model
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.testing import ScriptedModel
from agentkit.tools import ToolRegistry
from agentkit.tools.builtin.ask_person import ask_person_tool
from agentkit.tools.external_tool import ExternalTool

PARAMETERS: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "copies": {"type": "integer", "maximum": 3}},
    "required": ["to"],
    "additionalProperties": False,
}
SEND = ToolSpec(
    name="send", description="Sends.", parameters=PARAMETERS, effect="pure", task_queue="email", external=True
)
ASK = ask_person_tool().spec
OWN = SEND.model_copy(update={"name": "own", "external": None})


def agent(planner: str = "tools") -> AgentSpec:
    return AgentSpec(name="a", models=("demo:m",), planner=planner, tools=(SEND, OWN, ASK))


def call(**arguments: JsonValue) -> ToolCall:
    return ToolCall(id="c", name="send", arguments=arguments)


class FailingChecker(InlineOutputChecker):
    async def check_arguments(self, arguments: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]) -> OutputCheck:
        return OutputCheck(failure="the check took more than 5 s")


async def test_each_wrong_call_has_a_refusal_that_names_the_places() -> None:
    calls = [call(to="ada"), call(to=1, copies=4), call(copies=1, cc="bob")]
    refused = await refused_arguments(InlineOutputChecker(), agent(), calls)
    assert list(refused) == [1, 2]
    assert refused[1] == (
        "The arguments of send are wrong, so nothing was done. Correct them and call again:\n"
        "- to: 1 is not of type 'string'\n- copies: 4 is greater than the maximum of 3"
    )
    assert "'to' is a required property" in refused[2]
    assert "'cc' was unexpected" in refused[2]


async def test_other_calls_are_left_to_those_who_receive_them() -> None:
    malformed = ToolCall(id="c", name="send", malformed="{")
    own = ToolCall(id="c", name="own", arguments={"to": 1})
    unknown = ToolCall(id="c", name="nothing")
    beyond = [call(to="ada")] * MAX_PARALLEL_CALLS + [call(to=1)]
    assert await refused_arguments(InlineOutputChecker(), agent(), [malformed, own, unknown]) == {}
    assert await refused_arguments(InlineOutputChecker(), agent(), beyond) == {}


async def test_arguments_that_cannot_be_checked_are_refused() -> None:
    refused = await refused_arguments(FailingChecker(), agent(), [call(to="ada")])
    assert refused[0].startswith("Not called: the arguments of send can't be checked: the check took more than 5 s.")


@pytest.mark.parametrize(
    ("planner", "response"),
    [
        ("tools", call(to=1)),
        ("react", json.dumps({"thought": "", "action": {"name": "send", "arguments": {"to": 1}}})),
    ],
    ids=["tools", "react"],
)
async def test_a_response_says_which_of_its_calls_are_refused(planner: str, response: ToolCall | str) -> None:
    model = ScriptedModel([response])
    checked = await request_model(
        model, agent(planner), [user_message("go")], checker=InlineOutputChecker(), name="demo:m", step=1
    )
    assert list(checked.refused_arguments or {}) == [0]
    restored = type(checked).model_validate_json(checked.canonical_json())
    assert restored.refused_arguments == checked.refused_arguments


async def test_a_response_without_calls_of_external_tools_says_nothing_of_arguments() -> None:
    for response in ("done", call(to="ada")):
        checked = await request_model(
            ScriptedModel([response]), agent(), [user_message("go")], checker=InlineOutputChecker(), name="m", step=1
        )
        assert b"refused_arguments" not in checked.canonical_json()


async def test_the_model_reads_why_its_call_was_refused_and_the_tool_is_not_asked() -> None:
    model = ScriptedModel([call(to=1), "done"])
    runner = LocalRunner({"demo": model}, ToolRegistry([ExternalTool(SEND)]))
    result = await runner.run(agent(), "go")
    assert "to: 1 is not of type 'string'" in str(result.transcript[2].parts)


async def test_a_local_run_says_that_it_has_no_worker_for_an_external_tool() -> None:
    model = ScriptedModel([call(to="ada"), "done"])
    runner = LocalRunner({"demo": model}, ToolRegistry([ExternalTool(SEND)]))
    with pytest.raises(ToolNotServed, match="send is served by another program"):
        await runner.run(agent(), "go")


def question(**arguments: JsonValue) -> ToolCall:
    return ToolCall(id="c", name="ask_person", arguments={"question": "Which colour?", **arguments})


def test_only_what_no_code_of_ours_receives_is_checked() -> None:
    assert [tool.name for tool in agent().tools if are_arguments_checked(tool)] == ["send", "ask_person"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"choices": ["red", "blue"]},
        {"choices": None, "schema": None},
        {"schema": {"type": "object", "properties": {"size": {"enum": ["S", "M"]}}, "required": ["size"]}},
    ],
    ids=["text", "choices", "nulls", "form"],
)
async def test_a_question_that_can_be_asked_is_not_refused(arguments: dict[str, JsonValue]) -> None:
    assert await refused_arguments(InlineOutputChecker(), agent(), [question(**arguments)]) == {}


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param({"question": " \n"}, ["- question: it is blank"], id="blank"),
        pytest.param({"question": 5}, ["- question: 5 is not of type 'string'"], id="type"),
        pytest.param({"choices": ["red", "red "]}, ["- choices: two of them are the same"], id="same choice"),
        pytest.param({"choices": ["red", " "]}, ["- choices: one of them is blank"], id="blank choice"),
        pytest.param(
            {"choices": ["red", "blue"], "schema": {}},
            ["- schema: give either choices or a schema, not both"],
            id="choices and schema",
        ),
        pytest.param(
            {"schema": {"type": "text"}},
            ["- schema: no JSON Schema: at $.type: 'text' is not valid under any of the given schemas"],
            id="no schema",
        ),
        pytest.param(
            {"schema": {"$ref": "#"}},
            ["- schema: refers to itself without an end: a recursive reference must stand below properties or items"],
            id="endless schema",
        ),
        pytest.param(
            {"schema": {"description": "x" * 16_384}},
            ["- schema: too large: 16,384 characters at most. Ask for less, or for free text"],
            id="large schema",
        ),
    ],
)
async def test_a_question_that_can_not_be_asked_is_refused_before_anybody_is_asked(
    arguments: dict[str, JsonValue], lines: list[str]
) -> None:
    refused = await refused_arguments(InlineOutputChecker(), agent(), [question(), question(**arguments)])
    assert list(refused) == [1]
    first, *rest = refused[1].split("\n")
    assert first == "The arguments of ask_person are wrong, so nothing was done. Correct them and call again:"
    assert rest == lines


async def test_an_agent_with_questions_alone_has_them_checked_with_the_response() -> None:
    asking = AgentSpec(name="a", models=("demo:m",), planner="tools", tools=(ASK,))
    response = await request_model(
        ScriptedModel([question(schema={"type": "text"})]),
        asking,
        [user_message("go")],
        checker=InlineOutputChecker(),
        name="m",
        step=1,
    )
    assert "schema: no JSON Schema" in (response.refused_arguments or {})[0]
