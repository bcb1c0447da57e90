"""What a tool may do with its context."""

from __future__ import annotations

import math

import pytest

from agentkit.interfaces import CallSignals, ToolContext, ToolProgress

CONTEXT = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)


@pytest.mark.parametrize(
    ("fraction", "reported"),
    [(None, None), (0, 0.0), (0.5, 0.5), (1.0000001, 1.0), (70, 1.0), (-1, 0.0), (math.nan, None), (math.inf, 1.0)],
)
def test_a_report_of_progress_never_fails_the_call(fraction: float | None, reported: float | None) -> None:
    reports: list[ToolProgress] = []
    CONTEXT.with_signals(CallSignals(reports.append)).progress("x" * 5_000, fraction)
    assert (len(reports[0].text), reports[0].fraction) == (1_000, reported)


def test_progress_without_a_listener_does_nothing() -> None:
    CONTEXT.progress("half", 0.5)


def test_a_plain_function_sees_its_cancellation() -> None:
    signals = CallSignals()
    context = CONTEXT.with_signals(signals)
    assert (context.is_cancelled, context.wait_cancelled(0)) == (False, False)
    signals.cancelled.set()
    assert (context.is_cancelled, context.wait_cancelled(60)) == (True, True)


def test_deadline_agent_user_and_signals_are_sent_only_where_they_are_set() -> None:
    assert CONTEXT.with_signals(CallSignals()).model_dump(mode="json", exclude_none=True) == {
        "task_id": "t",
        "call_id": "c",
        "idempotency_key": "t/c",
        "step": 1,
    }
