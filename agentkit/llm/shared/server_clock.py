"""The time of a provider's server: dates in its headers are by its clock, and this machine's may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz

__all__ = ["http_date", "server_time"]


def http_date(text: str) -> datetime | None:
    """Return the date of a header such as ``Retry-After``, in UTC; None if it is none."""
    date = parsedate_tz(text)
    try:
        return datetime.fromtimestamp(mktime_tz(date), UTC) if date is not None else None
    except (OverflowError, OSError, ValueError):  # no date of any calendar
        return None


def server_time(headers: Mapping[str, str]) -> datetime:
    """Return when a response was sent, by its ``Date`` header; without a valid one, now by this machine's clock."""
    return http_date(headers.get("date", "")) or datetime.now(UTC)
