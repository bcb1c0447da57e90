from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.tasks.errors import CursorInvalid
from api.tasks.listing.task_listing import PageCursor, inbox_query, visibility_query
from api.tasks.requests.steering_requests import InboxRequest
from api.tasks.requests.task_requests import TaskFilter


def test_values_are_quoted_so_that_they_stay_values() -> None:
    query = visibility_query(TaskFilter(agent="a' OR '1'='1", parent_id="b\\"))
    assert "OpspawnAgent = 'a\\' OR \\'1\\'=\\'1'" in query
    assert "OpspawnParentId = 'b\\\\'" in query


def test_a_running_status_is_a_search_attribute_and_an_ended_one_is_temporals() -> None:
    query = visibility_query(TaskFilter(status=("waiting", "completed")))
    assert "(ExecutionStatus = 'Running' AND OpspawnStatus = 'waiting') OR ExecutionStatus = 'Completed'" in query


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 11, 21, 12, 0, 0, 123456, UTC), "2026-11-21T12:00:00.123456000Z"),
        (datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=2))), "2026-11-21T10:00:00.000000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000000000Z"),
        (datetime(9999, 12, 31, tzinfo=UTC), "2262-04-11T23:47:16.854775807Z"),
    ],
    ids=["utc", "zone", "earliest", "latest"],
)
def test_times_reach_temporal_exactly_and_within_its_range(time: datetime, text: str) -> None:
    assert f"StartTime > '{text}'" in visibility_query(TaskFilter(created_after=time))


@pytest.mark.parametrize("microsecond", [1, 500_000, 999_999])
def test_inboxes_of_the_same_second_have_the_same_query_which_misses_no_request(microsecond: int) -> None:
    opened_before = datetime(2026, 11, 28, 23, 59, 59, microsecond, tzinfo=UTC)
    query = inbox_query(InboxRequest(), opened_before=opened_before)
    assert "OpspawnInputSince <= '2026-11-29T00:00:00.000000000Z'" in query


def test_a_cursor_is_decoded_to_the_same_end_of_a_page() -> None:
    cursor = PageCursor(1_795_290_791_265_334_339, "task-é")
    assert PageCursor.decode(cursor.encode("q"), "q") == cursor


def test_a_cursor_of_other_filters_is_refused() -> None:
    with pytest.raises(CursorInvalid, match="other filters"):
        PageCursor.decode(PageCursor(1, "t").encode("q"), "r")


@pytest.mark.parametrize("text", ["x", "!", "W10", "bnVsbA", "WyJ4IiwxLDJd"], ids=["x", "sign", "list", "null", "text"])
def test_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorInvalid, match="isn't a cursor"):
        PageCursor.decode(text, "q")


def test_a_time_beyond_temporals_is_no_cursor() -> None:
    with pytest.raises(CursorInvalid, match="isn't a cursor"):
        PageCursor.decode(PageCursor(2**70, "t").encode("q"), "q")
