"""Identity, near duplicates, expiry and cursors of memories."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from agentkit.interfaces import Memory, MemoryScope
from agentkit.memory_rules import (
    MAX_QUERY_CHARS,
    ListCursor,
    as_utc,
    contains_statement,
    later_expiry,
    list_position,
    memory_id,
    scope_key,
    shortened_query,
    text_key,
)

ADA = MemoryScope(kind="user", owner="ada")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def memory(identifier: str, created_at: datetime) -> Memory:
    return Memory(id=identifier, text="x", scope=ADA, created_at=created_at, updated_at=created_at)


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert as_utc(datetime(2026, 3, 1, 12)) == NOON  # noqa: DTZ001
    assert as_utc(datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))) == NOON


def test_never_is_the_latest_expiry() -> None:
    later = NOON + timedelta(seconds=1)
    assert later_expiry(NOON, later) == later_expiry(later, NOON) == later
    assert later_expiry(NOON, None) is later_expiry(None, NOON) is None


def test_an_id_is_a_uuid_of_scope_and_text() -> None:
    ids = {
        memory_id(scope, text, key)
        for scope in (ADA, MemoryScope(kind="agent", owner="ada"), MemoryScope(kind="user", owner="ada", tenant="t"))
        for text in ("tea", "coffee")
        for key in (None, "", "1")
    }
    assert len(ids) == 18
    assert all(str(uuid.UUID(identifier)) == identifier for identifier in ids)
    assert memory_id(ADA, "Green  TEA") == memory_id(ADA, " green tea\n")


def test_no_two_scopes_have_one_key() -> None:
    names = [("user", "a"), ("user", "a/"), ("user", ""), ("agent", "a"), ("tenant", ""), ("user", "agent/a")]
    assert len({scope_key(MemoryScope(kind=kind, owner=owner)) for kind, owner in names}) == len(names)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["green tea", "GREEN TEA", " green \n tea ", "\uff27reen tea"], ids=ascii)
def test_same_texts_differ_in_case_white_space_and_form_only(other: str) -> None:
    assert text_key("Green tea") == text_key(other)
    assert text_key("Green tea") != text_key("Green tea!")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Ada likes tea", "Ada likes tea."),
        ("Ada likes tea", "Ada liked the green tea, in the morning"),
        ("The user's name is Ada", "the users name is Ada"),
        ("Der Hund heißt Rex", "Der Hund heisst Rex"),
        ("我喜欢茶", "我很喜欢喝茶"),
    ],
)
def test_a_text_with_all_the_words_in_order_contains_the_statement(old: str, new: str) -> None:
    assert contains_statement(new, old)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Ada lives in Berlin", "Ada lives in Paris"),
        ("Bob owes Ada 50 euros", "Ada owes Bob 50 euros"),
        ("The meeting is at 3 pm", "The meeting is at 4 pm"),
        ("Ada does not drink tea", "Ada drinks tea"),
        ("Ada likes green tea", "Ada likes tea"),
        ("Ada's son is Julian", "Ada's son is Julia"),
        ("Version 1.2 is used", "Version 1.3 is used"),
        ("Ada likes Bob", "Ada likes Bob's wife"),
        ("Bob is ill", "Bob\u2019s mother is ill"),
        ("我住在北京", "我住在南京"),
        ("!!!", "???"),
        ("the", "Ada"),
    ],
)
def test_another_name_number_or_order_is_another_statement(old: str, new: str) -> None:
    assert not contains_statement(new, old)


def test_a_long_query_is_shortened_in_the_middle() -> None:
    short = shortened_query("begin" + "x" * 1_000_000 + "end")
    assert (short[:5], short[-3:]) == ("begin", "end")
    assert len(short) <= MAX_QUERY_CHARS + 1
    assert shortened_query("\ud800 tea") == "? tea"


def test_positions_follow_creation_and_are_exact_as_floats() -> None:
    years = (1970, 2019, 2020, 2026, 2088)
    memories = [
        memory(f"{first}00-x", datetime(year, 1, 1, microsecond=microsecond, tzinfo=UTC))
        for year in years
        for microsecond in (0, 1_000, 999_000)
        for first in "0af"
    ]
    positions = [list_position(one) for one in memories]
    assert positions == sorted(set(positions))
    assert [int(float(position)) for position in positions] == positions


def test_a_cursor_names_all_that_was_seen_at_its_position() -> None:
    first, second, third = (memory(f"abc{end}", NOON) for end in "123")
    cursor = ListCursor.after(ADA, [first], None)
    cursor = ListCursor.after(ADA, [second], ListCursor.decoded(ADA, cursor.encoded()))
    assert [cursor.is_before(one) for one in (first, second, third)] == [False, False, True]
    assert cursor.is_before(memory("abc1", NOON - timedelta(milliseconds=1)))
    assert not cursor.is_before(memory("abc9", NOON + timedelta(milliseconds=1)))
