from __future__ import annotations

from datetime import UTC, datetime

from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.compaction_facts import bounded_facts, call_fact

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


def test_the_newest_facts_are_listed_and_the_others_counted() -> None:
    facts = [f"pay {{}} was done: {number}" for number in range(10)] + ["mail {} was done: sent"]
    bounded = bounded_facts(facts, (), 20)
    assert bounded[0] == "pay at least 8 times before that"
    assert bounded[1:] == tuple(facts[8:])


def test_facts_that_fit_are_all_listed() -> None:
    assert bounded_facts(["a", "b"], (), 100) == ("a", "b")


def test_counts_of_a_former_summary_go_on_and_count_known_facts_once() -> None:
    known = [f"pay {{}} was done: {number}" for number in range(12)]
    former = "pay at least 10 times, mail at least 1,000 times before that"
    bounded = bounded_facts([former, "mail {} was done: x" + "x" * 400, *known], known, 20)
    assert bounded[0] == "pay at least 10 times, mail at least 1,001 times before that"
    assert len(bounded) == 4
