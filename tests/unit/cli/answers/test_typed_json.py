"""JSON that a person wrote."""

from __future__ import annotations

import pytest

from cli.answers.typed_json import parse_typed_json


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "isn't JSON: .*line 1 column 2"),
        ('{"a": 1, "a": 1}', "The key 'a' stands there twice"),
        ("[NaN]", "isn't JSON"),
        ('["\\ud800"]', "isn't JSON"),
        ("[" * 101 + "]" * 101, "nested in more than 100 levels"),
        ("[" * 100_000 + "]" * 100_000, "nested in more than 100 levels"),
    ],
    ids=["cut off", "a key twice", "NaN", "lone surrogate", "deep", "very deep"],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_typed_json(text)


def test_any_value_is_returned() -> None:
    assert parse_typed_json(' {"a": [1, "b", null]} ') == {"a": [1, "b", None]}
