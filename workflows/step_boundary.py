"""Continue a task as new between two steps, when nothing is in flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.target_version import TargetVersion

__all__ = ["StepBoundary"]

_EVENTS_TO_NEXT_TRY = 20
"""Number of history events between two attempts to continue as new, if the first was impossible."""


class StepBoundary:
    """Continues a task as new when Temporal suggests it, or to move it to another worker deployment version."""

    def __init__(self, continue_as_new: Callable[[Callable[[], bool]], Awaitable[None]]) -> None:
        """``continue_as_new`` returns only if the task can't continue as new now.

        It must return once its argument returns True: what the task waits for has happened, and the next run would not
        know it.
        """
        self._continue_as_new = continue_as_new
        self._next_try = 0
        self._is_move_requested = False
        self._target = TargetVersion()

    @property
    def _is_suggested(self) -> bool:
        info = workflow.info()
        if not (info.is_continue_as_new_suggested() or self._is_move_due):
            return False
        return info.get_current_history_length() >= self._next_try

    @property
    def _is_move_due(self) -> bool:
        return self._is_move_requested and self._target.is_changed

    def request_move(self) -> None:
        """Move to the target version of the workers at the next opportunity. Without versions nothing happens."""
        self._target.allow_move()
        self._is_move_requested = True

    def move_if_target_changed(self) -> None:
        """Move at the next opportunity if the target version of the workers has changed: for tasks that have waited."""
        if self._target.is_changed:
            self._is_move_requested = True

    async def continue_if_suggested(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Continue as new if that is suggested and possible; otherwise return. ``is_over`` True forbids it."""
        if self._is_suggested:
            await self._continue_as_new(is_over)
            self._next_try = workflow.info().get_current_history_length() + _EVENTS_TO_NEXT_TRY

    async def move_if_due(self) -> None:
        """Continue as new on the target version of the workers if that is due and possible; otherwise return."""
        if self._is_move_due:
            await self.continue_if_suggested()

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds, in this run or a later one."""
        while not condition():
            await workflow.wait_condition(lambda: condition() or self._is_suggested)
            if not condition():
                await self.continue_if_suggested(condition)
        self.move_if_target_changed()
