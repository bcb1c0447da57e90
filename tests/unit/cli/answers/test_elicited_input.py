from __future__ import annotations

import os
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ClientInputRequest
from cli.answers.elicited_input import elicited_input
from cli.answers.terminal_input import TerminalInput

SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "As on the badge"},
        "age": {"type": "integer"},
        "member": {"type": "boolean", "default": False},
        "colour": {"type": "string", "enum": ["red", "green"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age"],
}


class Person:
    """Types one line after each prompt, for a pipe is read in blocks."""

    def __init__(self, *lines: str) -> None:
        self.reading, self.writing = os.pipe()
        self._lines = list(lines)

    def terminal(self) -> TerminalInput:
        person = self

        class Typing(TerminalInput):
            async def read_line(self) -> str | None:
                if not person._lines:
                    os.close(person.writing)
                else:
                    os.write(person.writing, f"{person._lines.pop(0)}\n".encode())
                return await super().read_line()

        return Typing(self.reading)


@pytest.fixture
def form() -> ClientInputRequest:
    params: dict[str, JsonValue] = {"message": "Who are you?", "requestedSchema": SCHEMA}
    return ClientInputRequest(key="k", method="elicitation/create", params=params)


@pytest.fixture
def url() -> ClientInputRequest:
    params: dict[str, JsonValue] = {"mode": "url", "message": "Log in", "url": "https://example.com/login"}
    return ClientInputRequest(key="k", method="elicitation/create", params=params)


async def answer(request: ClientInputRequest, *lines: str) -> dict[str, Any] | None:
    return (await elicited_input(request, Person(*lines).terminal())).result


async def test_each_field_is_asked_and_gets_a_value_of_its_type(form: ClientInputRequest) -> None:
    result = await answer(form, "Ada", "36", "yes", "green", "a, b")
    content = {"name": "Ada", "age": 36, "member": True, "colour": "green", "tags": ["a", "b"]}
    assert result == {"action": "accept", "content": content}


async def test_optional_fields_may_be_left_out_and_required_ones_are_asked_again(
    form: ClientInputRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await answer(form, "", "Ada", "old", "36", "", "blue", "", "")
    assert result == {"action": "accept", "content": {"name": "Ada", "age": 36}}
    shown = capsys.readouterr().err
    assert all(text in shown for text in ("As on the badge", "This field is required.", 'one of "red", "green"'))


async def test_a_form_can_be_declined_or_left(form: ClientInputRequest) -> None:
    assert await answer(form, "Ada", "/decline") == {"action": "decline"}
    assert await answer(form, "Ada") == {"action": "cancel"}


async def test_a_url_is_shown_and_the_visit_confirmed(
    url: ClientInputRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await answer(url, "y") == {"action": "accept"}
    assert await answer(url, "n") == {"action": "decline"}
    assert "  https://example.com/login\n" in capsys.readouterr().err


async def test_without_a_terminal_it_is_declined_with_a_message(
    form: ClientInputRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await elicited_input(form, None)).result == {"action": "decline"}
    assert "stdin is no terminal" in capsys.readouterr().err
