from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.runtime.effect_ledger import CallState, LedgerEntry
from agentkit.specs import Effect
from api.tasks.fork_notice import fork_notice


def entry(number: int, *, step: int = 2, effect: Effect = "irreversible", state: CallState = "done") -> LedgerEntry:
    return LedgerEntry(
        call_id=f"call_{number}",
        tool="pay",
        effect=effect,
        state=state,
        step=step,
        idempotency_key=f"task-1/call_{number}",
        arguments_sha256="",
        proposed_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


def messages(count: int, content: str = "paid") -> list[Message]:
    calls = tuple(ToolCall(id=f"call_{number}", name="pay", arguments={"cents": number}) for number in range(count))
    results = tuple(ToolResult(call_id=call.id, name="pay", content=content) for call in calls)
    return [Message(role="assistant", parts=calls), Message(role="tool", parts=results)]


@pytest.mark.parametrize("state", ["proposed", "refused", "awaiting_approval", "not_done"])
def test_calls_that_took_no_effect_are_left_out(state: CallState) -> None:
    assert "pay" not in fork_notice("task-1", 1, [entry(0, state=state)], messages(1))


def test_pure_calls_and_calls_up_to_the_step_are_left_out() -> None:
    ledger = [entry(0, effect="pure"), entry(1, step=1)]
    assert "pay" not in fork_notice("task-1", 1, ledger, messages(2))


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("done", "done. Result: paid"),
        ("failed", "failed, and may have taken effect in part"),
        ("started", "in progress there"),
        ("unknown", "cut off, so it may have taken effect"),
    ],
)
def test_each_call_that_may_have_taken_effect_is_named_with_arguments_and_outcome(state: CallState, text: str) -> None:
    notice = fork_notice("task-1", 1, [entry(3, state=state)], messages(4))
    assert f'- pay {{"cents": 3}}: {text}' in notice
    assert "after step 1" in notice


def test_long_values_are_cut_and_so_are_long_lists_of_calls() -> None:
    notice = fork_notice("task-1", 1, [entry(number) for number in range(130)], messages(130, "x\n" * 5_000))
    assert "(30 earlier calls are left out here)" in notice
    assert '{"cents": 29}' not in notice
    assert '{"cents": 129}' in notice
    assert len(notice) < 100 * 700


def test_a_call_whose_messages_are_not_there_is_named_all_the_same() -> None:
    assert "- pay: done" in fork_notice("task-1", 1, [entry(0)], [])
