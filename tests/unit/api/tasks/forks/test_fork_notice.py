from __future__ import annotations

from datetime import UTC, datetime

from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from api.tasks.forks.fork_notice import fork_notice

CALL = ToolCall(id="call_1", name="pay", arguments={"cents": 3})
PAID = LedgerEntry(
    call_id="call_1",
    tool="pay",
    effect="irreversible",
    state="done",
    step=2,
    idempotency_key="task-1/call_1",
    arguments_sha256="",
    proposed_at=datetime(2026, 11, 21, tzinfo=UTC),
)
LATER = [
    Message(role="assistant", parts=(CALL,)),
    Message(role="tool", parts=(ToolResult(call_id="call_1", name="pay", content="paid"),)),
]


def test_calls_after_the_step_whose_effects_remain_are_listed() -> None:
    notice = fork_notice("task-1", 1, [PAID], LATER)
    assert "after step 1" in notice
    assert notice.endswith('\n- pay {"cents": 3}: done. Result: paid\n')


def test_where_no_effects_remain_the_notice_is_one_line() -> None:
    notice = fork_notice("task-1", 2, [PAID], ())
    assert notice.count("\n") == 1
    assert "pay" not in notice
