"""Text that a person edits in a file."""

from __future__ import annotations

import pytest

from agentkit.client import JsonObject
from cli.answers.text_editor import arguments_text, changed_arguments


def test_the_same_arguments_in_another_layout_are_no_change() -> None:
    arguments: JsonObject = {"to": "DE02 ü", "amount": 700}

    assert changed_arguments(arguments, arguments_text(arguments)) is None
    assert changed_arguments(arguments, '{"amount":700,"to":"DE02 \\u00fc"}') is None


@pytest.mark.parametrize("amount", ["true", "1.0", '"1"'])
def test_another_type_of_value_is_a_change(amount: str) -> None:
    assert changed_arguments({"amount": 1}, f'{{"amount": {amount}}}') is not None
