"""What the model of a fork reads of the task that the fork goes on from: above all, which calls took effect there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agentkit.messages import Message
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from agentkit.runtime.calls.remaining_effects import remaining_effects

__all__ = ["fork_notice"]


def fork_notice(task_id: str, step: int, ledger: Iterable[LedgerEntry], later: Sequence[Message]) -> str:
    """Return the notice for a fork of a task after a step, as lines that the person's input follows.

    ``later`` are the task's messages after that step.
    """
    text = (
        f"This task is a fork: it goes on from task {task_id} after step {step}. "
        "What that task did after that step is not part of this conversation."
    )
    lines = remaining_effects(ledger, step, later)
    if not lines:
        return f"{text}\n"
    return "\n".join(
        [f"{text} It made these calls, whose effects remain; don't repeat those that are done:", *lines, ""]
    )
