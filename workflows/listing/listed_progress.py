"""A task's steps and usage where lists read them: search attributes and a memo key, updated at a bounded rate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from agentkit.messages import Usage
    from workflows.search_attributes import COST_USD, MEMO_USAGE, STEPS, TOKENS

__all__ = ["ListedProgress", "progress_attributes"]

_MIN_INTERVAL = timedelta(seconds=5)
"""Time between two updates in which a task runs: each adds two events to its history, and short tasks need none."""


def progress_attributes(steps: int, usage: Usage) -> list[SearchAttributeUpdate[Any]]:
    """Return the updates of the search attributes for steps and usage."""
    cost = [] if usage.cost_usd is None else [COST_USD.value_set(usage.cost_usd)]
    return [STEPS.value_set(steps), TOKENS.value_set(usage.tokens), *cost]


class ListedProgress:
    """The progress of a running task as lists show it: that of the newest step at the time of the last update."""

    def __init__(self) -> None:
        self._updated_at = workflow.now()
        """Of the last update, later by the time that the task has waited since."""
        self._waits_since = self._updated_at
        self._waits = 0
        """How many input requests are open."""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Don't count the time of the block, in which a person is asked: steps and usage stay as they are."""
        if not self._waits:
            self._waits_since = workflow.now()
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                self._updated_at = min(workflow.now(), self._updated_at + (workflow.now() - self._waits_since))

    def step_started(self, steps: int, usage: Usage) -> None:
        """Update what lists show, if the last update is old enough."""
        if workflow.now() - self._updated_at < _MIN_INTERVAL:
            return
        self._updated_at = workflow.now()
        workflow.upsert_search_attributes(progress_attributes(steps, usage))
        workflow.upsert_memo({MEMO_USAGE: usage})
