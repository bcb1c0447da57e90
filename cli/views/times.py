"""Times as people read them in lists: how long ago, how long until."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["age", "time_left"]


def age(since: datetime | None) -> str:
    """Return the time since then as ``5s``, ``3m``, ``2h`` or ``4d``; empty for None."""
    return "" if since is None else _duration((datetime.now(UTC) - since).total_seconds())


def time_left(until: datetime | None) -> str:
    """Return the time until then as ``age`` does; empty for None."""
    return "" if until is None else _duration((until - datetime.now(UTC)).total_seconds())


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
