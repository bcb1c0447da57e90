"""The tool ``ask_person``: a question to a person, whose answer is the call's result."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from agentkit.errors import ToolError
from agentkit.interfaces import ASK_PERSON, Tool
from agentkit.tools.function_tool import tool

__all__ = ["ask_person_tool"]

_Choice = Annotated[str, Field(min_length=1, max_length=500)]


def ask_person_tool() -> Tool:
    """Return ``ask_person``: a spec alone. A task's workflow asks the person; a call that reaches a worker fails."""

    @tool(name=ASK_PERSON, effect="pure", timeout="10s")
    def ask_person(
        question: Annotated[str, Field(min_length=1, max_length=4_000)],
        choices: Annotated[list[_Choice], Field(min_length=2, max_length=20)] | None = None,
        schema: dict[str, Any] | None = None,
    ) -> str:
        """Ask a person a question, and wait for the answer, which is the result.

        Ask only for what you can neither find out with your other tools nor decide yourself: a preference, a missing
        fact, or which of several readings of the task is meant. An answer may take hours, and may not come at all. Ask
        one question at a time, and say all that is needed to answer it: the person may not have seen the task.

        Args:
            question: In plain words.
            choices: The possible answers, two or more, each another text; without them the person writes freely.
            schema: JSON Schema of the answer, for a form with several fields. Not together with choices.
        """
        raise ToolError(
            "Nobody was asked: a task's workflow asks people, and this call didn't come through it. Go on without an "
            "answer, and say so."
        )

    return ask_person
