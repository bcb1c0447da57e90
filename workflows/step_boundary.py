"""Continue a task as new between two steps, when nothing is in flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio import workflow

__all__ = ["StepBoundary"]

_EVENTS_TO_NEXT_TRY = 20
"""Number of history events between two attempts to continue as new, if the first was impossible."""


class StepBoundary:
    """Continues a task as new when Temporal suggests it."""

    def __init__(self, continue_as_new: Callable[[Callable[[], bool]], Awaitable[None]]) -> None:
        """``continue_as_new`` returns only if the task can't continue as new now.

        It must return once its argument returns True: what the task waits for has happened, and the next run would not
        know it.
        """
        self._continue_as_new = continue_as_new
        self._next_try = 0

    @property
    def _is_suggested(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() and info.get_current_history_length() >= self._next_try

    async def continue_if_suggested(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Continue as new if that is suggested and possible; otherwise return. ``is_over`` True forbids it."""
        if self._is_suggested:
            await self._continue_as_new(is_over)
            self._next_try = workflow.info().get_current_history_length() + _EVENTS_TO_NEXT_TRY

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds, in this run or a later one."""
        while not condition():
            await workflow.wait_condition(lambda: condition() or self._is_suggested)
            if not condition():
                await self.continue_if_suggested(condition)
