from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.runtime.calls.effect_ledger import CallState, LedgerEntry
from agentkit.runtime.calls.remaining_effects import remaining_effects
from agentkit.specs import Effect


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
    assert remaining_effects([entry(0, state=state)], 1, messages(1)) == []


def test_pure_calls_and_calls_up_to_the_step_are_left_out() -> None:
    assert remaining_effects([entry(0, effect="pure"), entry(1, step=1)], 1, messages(2)) == []


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("done", "done. Result: paid"),
        ("failed", "failed, and may have taken effect in part. Result: paid"),
        ("started", "in progress there, so it may take effect. Result: paid"),
        ("unknown", "cut off, so it may have taken effect. Result: paid"),
    ],
)
def test_each_call_that_may_have_taken_effect_is_named_with_arguments_and_outcome(state: CallState, text: str) -> None:
    assert remaining_effects([entry(3, state=state)], 1, messages(4)) == [f'- pay {{"cents": 3}}: {text}']


def test_long_values_are_cut_and_so_are_long_lists_of_calls() -> None:
    lines = remaining_effects([entry(number) for number in range(130)], 1, messages(130, "x\n" * 5_000))
    assert (len(lines), lines[0]) == (101, "- (30 earlier calls are left out here)")
    assert '{"cents": 30}' in lines[1]
    assert max(map(len, lines)) < 1_100
