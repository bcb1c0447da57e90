"""Values in queries of Temporal's visibility."""

from __future__ import annotations

__all__ = ["quoted"]


def quoted(value: str) -> str:
    """Return a text as a value of a query."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
