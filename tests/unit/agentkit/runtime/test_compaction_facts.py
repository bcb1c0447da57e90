from __future__ import annotations

from datetime import UTC, datetime

from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.compaction_facts import call_fact, merge_facts

CALL = ToolCall(id="1", name="pay_invoice", arguments={"number": 17, "to": "Zoë"})
RESULT = ToolResult(call_id="1", name="pay_invoice", content="paid\n  in full")
NOON = datetime(2026, 1, 2, 12, 0, 0, 500, tzinfo=UTC)


def test_a_fact_is_one_line_with_arguments_time_and_result() -> None:
    assert (
        call_fact(CALL, RESULT, NOON)
        == 'pay_invoice {"number": 17, "to": "Zoë"} was done at 2026-01-02T12:00:00+00:00: paid in full'
    )


def test_a_call_that_failed_is_a_fact_too() -> None:
    failed = RESULT.model_copy(update={"is_error": True, "content": "no such invoice"})
    assert call_fact(CALL, failed).endswith("failed: no such invoice")


def test_long_arguments_and_results_are_cut() -> None:
    call = CALL.model_copy(update={"arguments": {"text": "x" * 100_000}})
    fact = call_fact(call, RESULT.model_copy(update={"content": "y" * 100_000}))
    assert len(fact) < 700
    assert fact.count("…") == 2


def test_facts_of_several_sources_stand_once_in_order() -> None:
    assert merge_facts(["a", "b"], ["b", "c"]) == ("a", "b", "c")
