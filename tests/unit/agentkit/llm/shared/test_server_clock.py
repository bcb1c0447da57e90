from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentkit.llm.shared.server_clock import http_date, server_time


def test_a_date_of_http_is_read_in_utc() -> None:
    assert http_date("Thu, 26 Nov 2026 12:00:00 GMT") == datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert http_date("Thu, 26 Nov 2026 12:00:00 +0200") == datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "Fri, 31 Dec 99999999999 23:59:59 GMT", "Thu, 99 Zzz 9999 99:99:99"])
def test_what_is_no_date_of_a_calendar_is_none(text: str) -> None:
    assert http_date(text) is None


def test_the_servers_time_is_its_date_header_and_else_this_machines_time() -> None:
    assert server_time({"date": "Thu, 26 Nov 2020 12:00:00 GMT"}) == datetime(2020, 11, 26, 12, tzinfo=UTC)
    for headers in ({}, {"date": "nonsense"}):
        assert abs(server_time(headers) - datetime.now(UTC)) < timedelta(minutes=1)
