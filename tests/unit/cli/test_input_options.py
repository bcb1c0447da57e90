from __future__ import annotations

import pytest

from agentkit.client import PromptReference, ResourceReference
from agentkit.messages import TextPart
from cli.errors import UsageWrong
from cli.input_options import task_input


def test_text_alone_is_the_input() -> None:
    assert task_input("Hello", None, [], []) == "Hello"


def test_resources_follow_the_text() -> None:
    content = task_input("Summarise", None, [], ["notes:file:///plan.md", "web:https://example.com/a:b"])
    assert content == [
        TextPart(text="Summarise"),
        ResourceReference(server="notes", uri="file:///plan.md"),
        ResourceReference(server="web", uri="https://example.com/a:b"),
    ]


def test_a_resource_alone_is_an_input() -> None:
    assert task_input(None, None, [], ["notes:a:b"]) == [ResourceReference(server="notes", uri="a:b")]


def test_a_prompt_takes_its_arguments() -> None:
    content = task_input(None, "notes/review/short", ["change=a=b", "tone="], [])
    assert content == PromptReference(prompt="notes/review/short", arguments={"change": "a=b", "tone": ""})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, [], []), "Missing INPUT"),
        (("Hello", "notes/review", [], []), "--prompt takes the place of INPUT"),
        ((None, "notes/review", [], ["notes:a:b"]), "--prompt takes the place of INPUT"),
        (("Hello", None, ["a=b"], []), "--prompt SERVER/NAME, which is missing"),
        ((None, "review", [], []), "--prompt review: expected SERVER/NAME"),
        ((None, "notes/review", ["change"], []), "--argument change: expected NAME=VALUE"),
        (("Hello", None, [], ["notes"]), "--resource notes: expected SERVER:URI"),
        (("  ", None, [], ["notes:a:b"]), "INPUT is empty"),
    ],
)
def test_a_wrong_combination_names_the_option(
    arguments: tuple[str | None, str | None, list[str], list[str]], message: str
) -> None:
    with pytest.raises(UsageWrong, match=message):
        task_input(*arguments)
