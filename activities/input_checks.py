"""Check what a person answered against its JSON Schema."""

from __future__ import annotations

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.payload_types import CHECK_INPUT_ACTIVITY, InputCheck
from agentkit.interfaces import OutputChecker

__all__ = ["InputCheckActivity"]


class InputCheckActivity:
    """The activity that checks answers: a schema may take long to evaluate, and workflow code must not."""

    def __init__(self, checker: OutputChecker) -> None:
        self._checker = checker

    @activity.defn(name=CHECK_INPUT_ACTIVITY)
    async def check_input(self, check: InputCheck) -> str | None:
        """Return what doesn't fit the schema, in one line for the person who gave it; None: all does.

        What can't be checked doesn't fit.
        """
        async with heartbeating():
            result = await self._checker.check_value(check.value, check.value_schema)
        return result.mismatch if result.failure is None else f"it can't be checked: {result.failure}"
