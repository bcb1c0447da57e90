"""JSON with comments, and its lines."""

from __future__ import annotations

import json
import re

import pytest

from agentkit.catalog.commented_json import read_commented_json


def test_comments_and_trailing_commas_are_left_out() -> None:
    text = """{
      // a comment with "quotes" and {
      "a": [1, 2, /* three, */ ], // the end
      "url": "http://x//y/*z*/", /* of
      two lines */ "b": {"c": "\\"}",},
    }
    """
    assert read_commented_json(text).data == {"a": [1, 2], "url": "http://x//y/*z*/", "b": {"c": '"}'}}


def test_keys_and_items_have_lines() -> None:
    text = '{\n"a":\n[{"b": 1},\n\n2, [3]], /* \n */ "c": {\n"d\\u0041": null}}'
    assert read_commented_json(text).lines == {
        ("a",): 2,
        ("a", 0): 3,
        ("a", 0, "b"): 3,
        ("a", 1): 5,
        ("a", 2): 5,
        ("a", 2, 0): 5,
        ("c",): 6,
        ("c", "dA"): 7,
    }


@pytest.mark.parametrize("data", [{}, [], 1, "a", [[[]]], {"": {"": [{}, {"a": -1.5e3}]}}, None, "é€\U0001f600"])
def test_plain_json_is_read_as_ever(data: object) -> None:
    assert read_commented_json(json.dumps(data, indent=1)).data == data
    assert read_commented_json(json.dumps(data, ensure_ascii=False)).data == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b": 2,\n "a": 3}', "3: 'a' is given twice, first on line 1"),
        ('{"a": [{"b": 1,\n "b": 2}]}', "2: 'b' is given twice, first on line 1"),
        ('{"a": 1\n\n"b": 2}', "3: no valid JSON: Expecting ',' delimiter"),
        ('{\n"a": }', "2: no valid JSON: Expecting value"),
        ("// only a comment", "1: no valid JSON: Expecting value"),
        ('{\n"a": /* 1}', "2: no valid JSON: Expecting value"),
        ('{"a": 1,,}', "1: no valid JSON: Expecting property name enclosed in double quotes"),
        ("[,]", "1: no valid JSON: Expecting value"),
        ('{"a": "b\n"}', "1: no valid JSON: Invalid control character at"),
        ('{"a": NaN}', "1: no valid JSON: there is no NaN"),
        ("[" * 100, "1: nested too deeply: 50 levels at most"),
        ("9" * 500, "1: an integer of 500 digits: 400 at most"),
        ("}", "1: no valid JSON: Expecting value"),
        ("{} {}", "1: no valid JSON: Extra data"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_commented_json(text)


def test_the_same_key_in_other_objects_is_no_error() -> None:
    assert read_commented_json('[{"a": 1}, {"a": 2}]').data == [{"a": 1}, {"a": 2}]
