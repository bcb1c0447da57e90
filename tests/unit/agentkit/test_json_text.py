from __future__ import annotations

from functools import partial

import pytest
from pydantic import JsonValue

from agentkit.json_text import check_strict_json, embedded_json, json_at, json_values
from tests.cpu_time import relative_cpu_s


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param(' {"a": [1, null]}\n', [{"a": [1, None]}], id="json alone"),
        pytest.param('"a"', ["a"], id="a string"),
        pytest.param("Say:\n```\n42\n```", [42], id="a number in a block"),
        pytest.param("Say 42.", [], id="a number among words"),
        pytest.param("", [], id="empty"),
        pytest.param("```json\nno\n```", [], id="block without json"),
        pytest.param('{"a": "one\nline\tmore"}', [{"a": "one\nline\tmore"}], id="line ends inside a string"),
        pytest.param('{"a": NaN}', [], id="not a number"),
        pytest.param("[1e999]", [], id="infinity"),
        pytest.param('["\\ud800"]', [], id="lone surrogate"),
        pytest.param("[" * 100_000, [], id="nested too deeply"),
        pytest.param('{"a": ' + "9" * 5_000 + "}", [], id="a number of too many digits"),
    ],
)
def test_the_text_itself_and_blocks_may_be_any_json(text: str, values: list[JsonValue]) -> None:
    assert list(json_values(text)) == values


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('```json\n{"a": "```"}\n```', id="backticks inside a string"),
        pytest.param('```JSON\n{"a": "```"}\n```', id="upper case"),
        pytest.param('```\n{"a": "```"}\n```', id="no language"),
        pytest.param('~~~json\n{"a": "```"}\n~~~', id="tildes"),
        pytest.param('````json title="x"\n{"a": "```"}\n````', id="four backticks and a title"),
        pytest.param('```javascript {"a": "```"} ```', id="one line"),
        pytest.param('Sure!\n\n  ```json\n\n  {"a": "```"}', id="never closed"),
        pytest.param('The result is {"a": "```"}, as you see.', id="among words"),
        pytest.param('In {curly} [1] and [a](b) words: {"a": "```"}', id="among other brackets"),
        pytest.param('{"x": 1, "y" 2} {"a": "```"}', id="after broken JSON"),
    ],
)
def test_an_object_is_found_in_any_fence_and_among_words(text: str) -> None:
    assert {"a": "```"} in list(json_values(text))


def test_blocks_come_before_what_stands_among_words() -> None:
    text = 'First I thought {"n": 1}, but it is:\n```json\n{"n": 2}\n```\nnot ```python\n[3] + x\n```'
    assert list(json_values(text)) == [{"n": 2}, {"n": 1}, {"n": 2}, [3]]


def test_embedded_json_is_found_in_order_and_not_inside_other_json() -> None:
    text = 'a {"b": {"c": [1]}} d [{"e": 2}, 3]'
    assert list(embedded_json(text)) == [(2, {"b": {"c": [1]}}), (22, [{"e": 2}, 3])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [('x {"a": 1} y', ({"a": 1}, 10)), ("x [1", None), ("x y", None), ("x [NaN]", None)],
)
def test_json_at_reads_one_value_and_returns_its_end(text: str, expected: object) -> None:
    assert json_at(text, 2) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), ["\ud800"], {"\udfff": 1}])
def test_values_that_only_python_accepts_as_json_are_refused(value: JsonValue) -> None:
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
        check_strict_json(value)


def test_a_valid_value_is_returned_unchanged() -> None:
    value: JsonValue = {"a": ["ü", None, 1.5]}
    assert check_strict_json(value) is value


def _read_all(text: str) -> None:
    for _ in json_values(text):
        pass


@pytest.mark.parametrize(
    "repeated",
    [
        *(
            "\n",
            "```",
            "```\n",
            "```json\n",
            "``` ",
            "~~~",
            "{",
            "[",
            '{"a":',
            '{"a":{"',
            "{} ",
            "[1] ",
            '["',
            '{"a\\"',
        ),
        *('{ "', "[1,", '"', "\\", '```json\n{"a": "', "```[1,", '{"a": 1 ', "{'a': "),
    ],
)
def test_a_long_hostile_response_is_read_in_linear_time(repeated: str) -> None:
    for text in (repeated * (200_000 // len(repeated)), "```json" + repeated * (200_000 // len(repeated)) + "``"):
        took = relative_cpu_s(partial(_read_all, text))
        assert took < 5, "in quadratic time this takes minutes"
