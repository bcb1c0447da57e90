"""Move a workflow to another worker deployment version, by continuing as new on it.

A workflow is pinned to the version on which it started. Its target is the version that new workflows get: the current
one or, for a share of them, the ramping one. Without versions nothing here has an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from temporalio import workflow

__all__ = ["TargetVersion", "continue_on_target_version"]


class TargetVersion:
    """The version that a run would move to."""

    def __init__(self) -> None:
        """Call this when the run starts."""
        info = workflow.info()
        self._is_blocked = info.continued_run_id is not None and info.is_target_worker_deployment_version_changed()
        """Continuing as new has not reached the target: it changed meanwhile, or an operator's override holds the
        workflow on its version. The run doesn't try again by itself, which might never end."""

    @property
    def is_changed(self) -> bool:
        """Whether it is another version than the run's own, and the run may try to move to it."""
        return not self._is_blocked and workflow.info().is_target_worker_deployment_version_changed()

    def allow_move(self) -> None:
        """Let the run try once more, because somebody asks for it."""
        self._is_blocked = False


def continue_on_target_version(arguments: Sequence[object]) -> NoReturn:
    """Continue as new: on the target version if that is another one, else on the same version."""
    is_changed = workflow.info().is_target_worker_deployment_version_changed()
    behavior = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE if is_changed else None
    workflow.continue_as_new(args=list(arguments), initial_versioning_behavior=behavior)
