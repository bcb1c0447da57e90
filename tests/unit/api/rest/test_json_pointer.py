from __future__ import annotations

import pytest

from api.rest.json_pointer import json_pointer


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ((), {}, "#"),
        (("a",), {"a": 1}, "#/a"),
        (("a", 1, "b"), {"a": [0, {"b": 1}]}, "#/a/1/b"),
        (("input", "parts", 0, "text", "x"), {"input": [{"text": "hi", "x": 1}]}, "#/input/0/x"),
        (("input", "parts", 0, "text", "text"), {"input": [{"text": 5}]}, "#/input/0/text"),
        (("model", "str"), {"model": 5}, "#/model"),
        (("m", "k", "[key]"), {"m": {"k": 1}}, "#/m/k"),
        (("a/b", "~"), {"a/b": {"~": 1}}, "#/a~1b/~0"),
        (("gone",), None, "#"),
    ],
)
def test_a_pointer_names_what_the_body_holds(path: tuple[str | int, ...], body: object, pointer: str) -> None:
    assert json_pointer(path, body) == pointer


def test_a_pointer_may_end_at_what_is_missing() -> None:
    path = ("input", "parts", 0, "text", "text")
    assert json_pointer(path, {"input": [{"type": "text"}]}, absent=True) == "#/input/0/text"
