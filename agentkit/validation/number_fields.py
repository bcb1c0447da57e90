"""Number fields of files and requests: true, false and text are no numbers, though pydantic would convert them."""

from __future__ import annotations

from contextlib import suppress

__all__ = ["require_number"]


def require_number(value: object) -> object:
    """Return a value that pydantic then validates: for ``field_validator(..., mode="before")``.

    Raises:
        ValueError: it is true, false or the text of a number.
    """
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    if isinstance(value, str) and _is_numeric(value):
        raise ValueError("expected a number, not text: leave out the quotes")
    return value


def _is_numeric(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False
