from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.messages import ToolCall
from workflows.listing.journal import (
    JOURNAL_KEY,
    MAX_JOURNAL_BYTES,
    JournalEntry,
    ParsedCallEntry,
    PlanEntry,
    RefusedCallEntry,
    journal_batches,
    read_journal,
)

_names = st.text(max_size=2_000)
_calls = st.builds(
    ToolCall, id=_names, name=_names, arguments=st.dictionaries(_names, st.text(max_size=20_000), max_size=3)
)
_entries: st.SearchStrategy[JournalEntry] = st.one_of(
    st.builds(PlanEntry, step=st.integers(1, 10_000), plan=st.lists(st.text(), max_size=300).map(tuple)),
    st.builds(RefusedCallEntry, step=st.integers(1, 10_000), call=_calls, message=st.text(max_size=20_000)),
    st.builds(ParsedCallEntry, step=st.integers(1, 10_000), call=_calls),
)


def as_json(batch: list[JournalEntry]) -> list[JsonValue]:
    return [json.loads(entry.canonical_json()) for entry in batch]


def test_the_memo_key_in_histories_keeps_its_name() -> None:
    assert JOURNAL_KEY == "journal"


@given(entries=st.lists(_entries, max_size=12))
def test_batches_hold_every_entry_in_order_and_no_batch_exceeds_the_limit(entries: list[JournalEntry]) -> None:
    batches = list(journal_batches(entries))
    yielded = [(entry.type, entry.step) for batch in batches for entry in batch]
    assert yielded == [(entry.type, entry.step) for entry in entries]
    for batch in batches:
        encoded = b"[" + b",".join(entry.canonical_json() for entry in batch) + b"]"
        assert len(encoded) <= MAX_JOURNAL_BYTES


def test_entries_that_fit_are_unchanged_and_share_one_batch() -> None:
    entries: list[JournalEntry] = [
        PlanEntry(step=1, plan=("look", "report")),
        RefusedCallEntry(step=2, call=ToolCall(id="c", name="send"), message="Not called."),
        ParsedCallEntry(step=3, call=ToolCall(id="d", name="half", arguments={"number": 4})),
    ]
    (batch,) = journal_batches(entries)
    assert batch == entries
    assert read_journal(as_json(batch)) == entries


def test_a_long_refusal_keeps_its_call_and_the_start_of_its_message() -> None:
    call = ToolCall(id="c", name="send", arguments={"text": "x" * 10_000})
    ((entry,),) = journal_batches([RefusedCallEntry(step=1, call=call, message="Not called: " + "y" * 10_000)])
    assert isinstance(entry, RefusedCallEntry)
    assert (entry.call.id, entry.call.name, entry.call.arguments) == ("c", "send", {})
    assert entry.message.startswith("Not called: yyy")


@pytest.mark.parametrize(
    "value",
    [None, "text", {}, [], [1, "x", None], [{"type": "of_a_newer_release", "step": 1}], [{"type": "plan_updated"}]],
    ids=str,
)
def test_entries_of_unknown_types_and_invalid_values_are_ignored(value: JsonValue) -> None:
    assert read_journal(value) == []
