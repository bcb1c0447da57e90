"""The ``OutputChecker`` Protocol: does JSON of a model or a person fit its schema?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import Field, JsonValue

from agentkit.records import Record

__all__ = ["OutputCheck", "OutputChecker"]


class OutputCheck(Record):
    """The result of a check: exactly one of the three is set."""

    index: int | None = Field(default=None, exclude_if=lambda index: index is None)
    """Position, among ``json_values`` of the text, of the first value that fits."""
    mismatch: str | None = Field(default=None, exclude_if=lambda text: text is None)
    """Why none fits: feedback for the model, or for the person who gave the value."""
    failure: str | None = Field(default=None, exclude_if=lambda text: text is None)
    """Why the check has no result, such as a schema that takes too long: for the people who wrote the schema."""


class OutputChecker(Protocol):
    """Checks JSON of models and people against JSON Schemas that users and models wrote, in bounded time and memory."""

    async def check(self, text: str, schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check a text. A check that fails is a result, too: nothing is raised."""
        ...

    async def check_arguments(self, arguments: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check the arguments of a tool call; ``mismatch`` names each place that doesn't fit. Nothing is raised."""
        ...

    async def check_value(self, value: JsonValue, schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check a value that a person gave; ``mismatch`` says in one line what doesn't fit. Nothing is raised."""
        ...
