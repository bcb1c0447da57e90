"""When a transcript is shortened because of the share of the model's context window that it takes."""

from __future__ import annotations

from agentkit.interfaces import ContextUse
from agentkit.runtime.context_watch import ContextState, ContextWatch

FULL = ContextUse(tokens=800, window=1_000)


def test_a_compaction_is_due_once_a_response_reports_that_it_took_the_share() -> None:
    watch = ContextWatch()
    watch.observe(None)
    assert not watch.is_due
    watch.observe(FULL)
    assert watch.is_due


def test_after_a_compaction_none_is_due_until_the_transcript_takes_the_share_again() -> None:
    watch = ContextWatch(ContextState(due=FULL))
    watch.compacted()
    assert not watch.is_due
    watch.observe(None)
    watch.observe(FULL)
    assert watch.is_due


def test_a_compaction_that_left_too_much_is_not_repeated_before_the_transcript_has_grown() -> None:
    watch = ContextWatch()
    watch.compacted()
    due = []
    for tokens in (800, 899, 900):
        watch.observe(ContextUse(tokens=tokens, window=1_000))
        due.append(watch.is_due)
    assert due == [False, False, True]


def test_a_compaction_that_failed_is_not_repeated_before_the_transcript_has_grown() -> None:
    watch = ContextWatch(ContextState(due=FULL))
    watch.failed()
    due = [watch.is_due]
    for tokens in (850, 900):
        watch.observe(ContextUse(tokens=tokens, window=1_000))
        due.append(watch.is_due)
    assert due == [False, False, True]


def test_near_the_end_of_the_window_less_growth_is_enough() -> None:
    watch = ContextWatch(ContextState(due=ContextUse(tokens=940, window=1_000)))
    watch.failed()
    watch.observe(ContextUse(tokens=969, window=1_000))
    assert not watch.is_due
    watch.observe(ContextUse(tokens=970, window=1_000))
    assert watch.is_due


def test_what_it_knows_survives_continue_as_new_and_takes_no_byte_where_there_is_nothing() -> None:
    watch = ContextWatch()
    nothing = watch.carried
    watch.observe(FULL)
    carried = watch.carried
    assert nothing is None
    assert ContextWatch(carried).is_due
