"""Facts about irreversible calls, which compaction must not lose."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.effect_ledger import CallState, EffectLedger
from agentkit.runtime.effect_facts import effect_fact
from agentkit.specs import Effect, ToolSpec

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
CALL = ToolCall(id="c", name="pay_invoice", arguments={"number": 17})
RESULT = ToolResult(call_id="c", name="pay_invoice", content="paid\nin full")


def fact(state: CallState, effect: Effect = "irreversible", result: ToolResult = RESULT) -> str | None:
    ledger = EffectLedger("task-1")
    ledger.propose(CALL, ToolSpec(name="pay_invoice", description="", parameters={}, effect=effect), 1, NOW)
    ledger.record("c", state, NOW)
    return effect_fact(ledger.newest("c"), CALL, result)


def test_the_fact_of_a_call_that_was_made_has_its_arguments_time_and_result() -> None:
    assert fact("done") == 'pay_invoice {"number": 17} was done at 2026-11-26T09:30:00+00:00: paid in full'


@pytest.mark.parametrize(
    ("state", "words"),
    [("unknown", "was cut off, and may have taken effect,"), ("failed", "failed, and may have taken effect in part,")],
)
def test_a_call_that_may_have_taken_effect_is_a_fact(state: CallState, words: str) -> None:
    assert words in (fact(state) or "")


@pytest.mark.parametrize("state", ["refused", "not_done", "proposed"])
def test_a_call_without_effect_is_none(state: CallState) -> None:
    assert fact(state) is None


def test_calls_that_may_be_repeated_are_no_facts() -> None:
    assert fact("done", "idempotent") is None


def test_a_long_result_is_shortened_to_one_line() -> None:
    line = fact("done", result=RESULT.model_copy(update={"content": "paid " * 1_000})) or ""
    assert len(line) < 500
    assert line.endswith("…")
