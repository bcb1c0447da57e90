from __future__ import annotations

import pytest

from agentkit.messages import ImagePart, TextPart, user_message
from api.rest.request_schemas import CreateTask
from api.tasks.task_start import body_hash, id_for_key, title_of


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n  \n First \t line \nsecond", "First line"),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 80, "x" * 80),
        ("a\0b\x1b[0m", "a b [0m"),
    ],
    ids=["short", "first-line", "cut", "fits", "control"],
)
def test_a_title_is_the_first_line_that_says_something(text: str, title: str) -> None:
    assert title_of(user_message(text)) == title


def test_an_image_alone_has_a_title_too() -> None:
    assert title_of(user_message((ImagePart(url="https://example.org/a.png"), TextPart(text=" ")))) == "(image)"


def test_a_key_leads_to_one_id_for_each_tenant() -> None:
    assert id_for_key("k", "a") == id_for_key("k", "a")
    assert len({id_for_key("k", "a"), id_for_key("k", "b"), id_for_key("l", "a"), id_for_key("", "a")}) == 4


def test_a_body_has_the_same_hash_in_any_order_and_another_for_any_change() -> None:
    body = {"agent": "a", "input": "hi", "metadata": {"x": "1", "y": "2"}}
    same = {"metadata": {"y": "2", "x": "1"}, "input": "hi", "agent": "a"}
    others = [{**body, "input": "ho"}, {**body, "tags": ["t"]}, {**body, "limits": {"max_steps": 1}}]
    first = body_hash(CreateTask.model_validate(body))
    assert body_hash(CreateTask.model_validate(same)) == first
    assert first not in {body_hash(CreateTask.model_validate(other)) for other in others}
