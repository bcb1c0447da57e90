from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentkit.messages import ToolCall
from agentkit.runtime.calls.effect_ledger import EffectLedger
from agentkit.specs import ToolSpec

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)
PAY = ToolSpec(name="pay", description="", parameters={})
LOOK = ToolSpec(name="look", description="", parameters={}, effect="pure")


def test_an_entry_has_the_times_and_the_newest_state_of_its_call() -> None:
    ledger = EffectLedger("task-1")
    ledger.propose(ToolCall(id="c", name="pay"), PAY, 2, NOW)
    ledger.record("c", "proposed", NOW, decided_by="policy rule 1")
    ledger.start("c", NOW)
    ledger.record("c", "unknown", LATER)
    assert ledger.entries[0].ended_at == LATER
    ledger.start("c", LATER)
    (entry,) = ledger.entries
    assert (entry.state, entry.attempts, entry.started_at, entry.ended_at) == ("started", 2, LATER, None)
    ledger.record("c", "done", LATER)
    (entry,) = ledger.entries
    assert (entry.state, entry.decided_by, entry.idempotency_key) == ("done", "policy rule 1", "task-1/c")
    assert (entry.proposed_at, entry.ended_at, entry.step) == (NOW, LATER, 2)


def test_all_irreversible_calls_and_the_newest_hundred_others_survive_continue_as_new() -> None:
    ledger = EffectLedger("task-1")
    for number in range(150):
        ledger.propose(ToolCall(id=f"l{number}", name="look"), LOOK, number, NOW)
        ledger.propose(ToolCall(id=f"p{number}", name="pay"), PAY, number, NOW)
    carried = EffectLedger("task-1", ledger.carried()).entries
    assert [entry.call_id for entry in carried if entry.tool == "look"] == [f"l{n}" for n in range(50, 150)]
    assert [entry.call_id for entry in carried if entry.tool == "pay"] == [f"p{n}" for n in range(150)]
    assert [entry.step for entry in carried] == sorted(entry.step for entry in carried)
