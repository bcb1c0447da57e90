from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.planners.react_text import FinalAnswer, TextAction, read_action
from tests.cpu_time import relative_cpu_s

ACTION = '{"thought": "t", "action": {"name": "look", "arguments": {"at": "sky"}}}'
LOOK_AT_SKY = TextAction("look", {"at": "sky"})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ACTION, id="asked for"),
        pytest.param(f"```json\n{ACTION}\n```", id="fenced"),
        pytest.param(f"```JSON\n{ACTION}\n```", id="upper-case fence"),
        pytest.param(f"~~~\n{ACTION}\n~~~", id="tildes"),
        pytest.param(f"```{ACTION}```", id="fence on one line"),
        pytest.param(f"```json\n{ACTION}", id="fence that isn't closed"),
        pytest.param(f"I should look.\n{ACTION}\nI hope it is blue.", id="among words"),
        pytest.param(f"[{ACTION}]", id="in a list"),
        pytest.param('{"example": 1} ' + ACTION, id="after other JSON"),
        pytest.param("Use {x} or `{y: 1}`. " + ACTION, id="after other braces"),
        pytest.param('{"action": "look", "action_input": {"at": "sky"}}', id="other keys"),
        pytest.param('{"action": "look", "action_input": "{\\"at\\": \\"sky\\"}"}', id="arguments as text"),
        pytest.param('{"name": "look", "arguments": {"at": "sky"}}', id="without action"),
        pytest.param('{"thought": "the "sky"", "action": {"name": "look", "arguments": {"at": "sky"}}}', id="quotes"),
        pytest.param('Action: {"name": "look", "arguments": {"at": "sky"}}', id="object after the label"),
        pytest.param('Action:\n```json\n{"action": "look", "action_input": {"at": "sky"}}\n```', id="block after it"),
        pytest.param('Thought: hm\nAction: look\nAction Input: {"at": "sky"}', id="classic"),
        pytest.param('Thought 1: hm\nAction 1: look\nAction Input 1: {"at": "sky"}', id="numbered"),
        pytest.param('**Action:** `look`\n**Action Input:** {"at": "sky"}\nObservation: blue', id="markdown"),
        pytest.param('Action: look.\nAction Input:\n```json\n{"at": "sky"}\n```', id="fenced input"),
        pytest.param('Action: look\nAction Input: ```{"at": "sky"}```', id="input in a fence on one line"),
        pytest.param('Action: look\nAction Input: `{"at": "sky"}`', id="input in backticks"),
        pytest.param('Action: look\nAction Input:\n{\n  "at":\n  "sky"\n}\nObservation: {}', id="input on many lines"),
        pytest.param('Action:\nlook\nAction Input:\n{"at": "sky"}', id="each on a line of its own"),
        pytest.param('Action: look({"at": "sky"})', id="call"),
        pytest.param('Action: look {"at": "sky"}', id="input in the line of the action"),
        pytest.param('Action: look\n{"at": "sky"}', id="input without a label"),
        pytest.param('action: look\naction input: {"at": "sky"}', id="lower case"),
        pytest.param('> Action: look (at things)\n> Action Input: {"at": "sky"}', id="remark behind the name"),
    ],
)
def test_an_action_is_read_in_each_format(text: str) -> None:
    assert read_action(text) == LOOK_AT_SKY


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{ACTION}\nObservation: blue\n" + ACTION.replace("sky", "sea"), id="JSON twice"),
        pytest.param(f"{ACTION}\nFinal Answer: blue", id="JSON, then a final answer"),
        pytest.param(f"{ACTION}\nAction: leap", id="JSON, then a line"),
        pytest.param(
            'Action: look\nAction Input: {"at": "sky"}\nObservation: blue\nThought: done\nFinal Answer: blue', id="line"
        ),
        pytest.param(
            'Action: look\nAction Input: {"at": "sky"}\nObservation: blue\nAction: leap\nAction Input: {}',
            id="two lines",
        ),
        pytest.param(
            'Action: look\nAction Input: {"at": "sky"}\n' + ACTION.replace("sky", "sea"), id="line, then JSON"
        ),
        pytest.param('Action: look\nAction Input: {"at": "sky"}{"at": "sea"}', id="two inputs"),
    ],
)
def test_the_first_action_counts_whatever_follows_it(text: str) -> None:
    assert read_action(text) == LOOK_AT_SKY


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("Final Answer: blue", "blue", id="alone"),
        pytest.param("Thought: I know.\nFinal Answer: blue\nand clear", "blue\nand clear", id="lines"),
        pytest.param("**Final Answer:** blue", "blue", id="markdown"),
        pytest.param(
            "Final Answer: Report\nAction: wipe\nOwner: ops",
            "Report\nAction: wipe\nOwner: ops",
            id="line like an action",
        ),
        pytest.param(f"Final Answer: I wrote {ACTION}", f"I wrote {ACTION}", id="JSON like an action"),
        pytest.param("Final Answer: 42\nAction: None", "42", id="then no action"),
        pytest.param("Thought: I know.\nAction: None\nFinal Answer: 42", "42", id="no action, then the answer"),
        pytest.param("Action: N/A\nAction Input: N/A\nFinal Answer: 42", "42", id="not applicable"),
        pytest.param('{"action": "none"}\nFinal Answer: 42', "42", id="no action in JSON"),
        pytest.param("Action:\nFinal Answer: 42", "42", id="action without a name"),
    ],
)
def test_a_final_answer_counts_if_no_action_comes_before_it(text: str, answer: str) -> None:
    assert read_action(text) == FinalAnswer(answer)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        pytest.param("Action: look", {}, id="no input"),
        pytest.param("Action: look()", {}, id="empty parentheses"),
        pytest.param("Action: look\nAction Input: None\nObservation: blue", {}, id="none"),
        pytest.param("Action: look\nAction Input:\n", {}, id="empty"),
        pytest.param('{"action": {"name": "look", "arguments": null}}', {}, id="null"),
        pytest.param('{"action": {"name": "look", "arguments": "null"}}', {}, id="null as text"),
        pytest.param('{"action": {"name": "look"}}', {}, id="key left out"),
        pytest.param("Action: look\nObservation: blue\nAction: leap\nAction Input: high", {}, id="another's input"),
        pytest.param("Action: look[the sky]", "the sky", id="brackets"),
        pytest.param('Action: look(at="sky")', 'at="sky"', id="keyword"),
        pytest.param("Action: look at the sky", "at the sky", id="words"),
        pytest.param("Action: look\nAction Input: the sky\nmore", "the sky", id="text"),
        pytest.param("Action: look\nAction Input:\n```\nthe sky\n```", "the sky", id="text in a fence"),
        pytest.param("Action: look\nAction Input: 42", 42, id="number"),
        pytest.param('{"action": "look", "input": ["sky"]}', ["sky"], id="list"),
        pytest.param('{"action": {"name": "look", "arguments": "{"}}', "{", id="broken JSON"),
    ],
)
def test_arguments_that_are_no_object_are_kept_and_never_left_out(text: str, arguments: JsonValue) -> None:
    assert read_action(text) == TextAction("look", arguments)


@pytest.mark.parametrize(
    "text",
    [
        *("", "It is blue.", "{}", '{"action": null}', "Final Answer:  ", "Final Answer: **", "Action: None"),
        *('{"action": {"name": " "}}', '{"name": "look"}', "Action: ```", "Action:\nObservation: blue"),
        *("Reaction: look", "The Action: look", "Action plan: look"),
    ],
)
def test_other_text_holds_no_action(text: str) -> None:
    assert read_action(text) is None


@pytest.mark.parametrize(
    "repeated",
    [
        *(
            "\n",
            "  \n",
            "> \n",
            "*" * 80 + "\n",
            "Action:\n",
            "Action: \n\n",
            "Action: None\n",
            "Action: a:",
            "Action: ",
        ),
        *("Final Answer:\n", "Final Answer: \n\n", "Action Input:\n", "Thought: x\n", "*", "Action: `\n", "Action: a/"),
        *('{"action": ', '{"action": {"name": "', '{"action": "none"} ', "{", '["', "Action: ```\n", "Observation:\n"),
    ],
)
@pytest.mark.parametrize("start", ["", "Action: look", "Action: look\nAction Input: ", "Final Answer: x\n", "Action:"])
def test_a_long_hostile_response_is_read_in_linear_time(start: str, repeated: str) -> None:
    text = start + repeated * (200_000 // len(repeated))
    took = relative_cpu_s(lambda: read_action(text))
    assert took < 5, "in quadratic time this takes minutes"
