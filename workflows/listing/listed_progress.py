"""A task's steps and usage where lists read them: search attributes and a memo key, updated at a bounded rate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from agentkit.messages import Usage
    from workflows.search_attributes import COST_USD, MEMO_USAGE, STEPS, TOKENS

__all__ = ["ListedProgress", "progress_attributes", "progress_memo"]

_MIN_INTERVAL = timedelta(seconds=5)
"""Time between two updates in which a task runs: each adds two events to its history, and short tasks need none."""


def progress_attributes(steps: int, usage: Usage) -> list[SearchAttributeUpdate[Any]]:
    """Return the updates of the search attributes for steps and usage."""
    cost = [] if usage.cost_usd is None else [COST_USD.value_set(usage.cost_usd)]
    return [STEPS.value_set(steps), TOKENS.value_set(usage.tokens), *cost]


def progress_memo(usage: Usage) -> dict[str, object]:
    """Return the update of the memo for the usage, without counts that are zero."""
    return {MEMO_USAGE: usage.model_dump(mode="json", exclude_defaults=True)}


class ListedProgress:
    """The progress of a running task as lists show it: that of the newest step at the time of the last update."""

    def __init__(self) -> None:
        self._updated_at = workflow.now()
        """Less the time in which the task had waited for people until then."""

    def step_started(self, steps: int, usage: Usage, waited: timedelta) -> None:
        """Update what lists show, if the task has worked for long enough since the last update.

        ``waited`` is how long it has waited for people so far.
        """
        now = workflow.now() - waited
        if now - self._updated_at < _MIN_INTERVAL:
            return
        self._updated_at = now
        workflow.upsert_search_attributes(progress_attributes(steps, usage))
        workflow.upsert_memo(progress_memo(usage))
