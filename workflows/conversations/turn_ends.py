"""The response of a task to the query ``turn_end`` of its conversation."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.conversations.conversation_payloads import TurnEnd, UnreadMessage
    from agentkit.runtime.calls.remaining_effects import may_have_taken_effect
    from agentkit.runtime.loop import AgentLoop
    from workflows.steering_state import Steering
    from workflows.task_types import StepEnds, TaskStatus

__all__ = ["turn_end"]


def turn_end(loop: AgentLoop, steering: Steering, ends: StepEnds, status: TaskStatus, error: str | None) -> TurnEnd:
    """Return where the last finished step of an ended task ended, and the calls and messages after that."""
    step, version, newest = loop.last_finished_step, ends.version, len(ends.replaced) + 1
    end = ends.ends[-1]
    later = (entry for entry in loop.ledger.entries if entry.step > step and may_have_taken_effect(entry))
    return TurnEnd(
        version=version,
        end=end,
        step=step,
        later_calls=tuple(later),
        newest_version=newest,
        later_start=end if version == newest else ends.written,
        later_end=len(loop.transcript),
        facts=loop.facts,
        context=loop.context.carried,
        usage=loop.usage,
        is_timed_out=status == "timed_out",
        error=error,
        received_ids=steering.message_ids,
        unread=tuple(UnreadMessage(id=message.id, message=message.message) for message in steering.queued),
    )
