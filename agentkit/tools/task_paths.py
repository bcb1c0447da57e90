"""Paths of a task's files, as models write them."""

from __future__ import annotations

from agentkit.errors import ToolError

__all__ = ["MAX_PATH_CHARS", "task_path"]

MAX_PATH_CHARS = 500
_MAX_PARTS = 32
"""Names in a path: sandboxes end programs whose directories are deeper than 64."""


def task_path(text: str) -> str:
    """Return a path relative to the task's scratch directory, without ``.`` and double slashes.

    Raises:
        ToolError: it is empty or absolute, leads out of the directory, or isn't a name that every system has.
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/"):
        raise ToolError(f"{text!r} is absolute. Give a path relative to the task's directory, such as data/out.csv.")
    if ".." in parts:
        raise ToolError(f"{text!r} leads out of the task's directory. Give a path inside, without '..'.")
    if not parts or text.endswith("/"):
        raise ToolError(f"{text!r} is no file. Give a path such as data/out.csv.")
    path = "/".join(parts)
    if len(path) > MAX_PATH_CHARS or any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        raise ToolError(f"The path is too long: {MAX_PATH_CHARS} characters at most, and 255 bytes for each part.")
    if len(parts) > _MAX_PARTS:
        raise ToolError(f"The path is too deep: {_MAX_PARTS} names at most, separated by '/'.")
    if not path.isprintable():
        raise ToolError(f"{text!r} has characters that can't be printed. Use others.")
    return path
