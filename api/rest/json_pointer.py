"""Say where in a JSON body an error lies."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["json_pointer"]

_Path = Sequence[str | int]


def json_pointer(path: _Path, body: object, *, absent: bool = False) -> str:
    """Return the JSON pointer (RFC 6901, with ``#``) to what pydantic's path of an error means.

    The path also names members of unions, such as ``text``, which the body doesn't. Where what it leads to is missing
    from the body, say ``absent``.
    """
    parts = [part for part in path if part != "[key]"]
    found = _resolved(parts, body, absent)
    while found is None:
        parts.pop()
        found = _resolved(parts, body, absent)
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in found)


def _resolved(path: _Path, body: object, absent: bool) -> list[str | int] | None:
    """Return those parts of the path that lead through the body to its last part, or None."""
    if not path:
        return []
    part, rest = path[0], path[1:]
    there = _has(body, part)
    if there or (absent and not rest and isinstance(body, dict)):
        inside = body[part] if there else None  # type: ignore[index]  # _has has looked
        if (found := _resolved(rest, inside, absent)) is not None:
            return [part, *found]
    return _resolved(rest, body, absent) if rest else None


def _has(body: object, part: str | int) -> bool:
    if isinstance(body, dict):
        return part in body
    return isinstance(body, list) and isinstance(part, int) and part < len(body)
