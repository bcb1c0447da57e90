"""Tools on the task's files: ``read_file``, ``write_file``, ``list_files`` and ``search_text``.

They work on stored files by name, not on a directory, so no link and no path leads outside.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any

import re2
from pydantic import Field

from agentkit.errors import FilesChanged, ToolError
from agentkit.interfaces import FileChanges, FileSnapshot, NewFile, TaskFile, TaskFiles, Tool, ToolContext
from agentkit.tools.builtin.code_tools import call_key
from agentkit.tools.function_tool import tool
from agentkit.tools.task_paths import task_path
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["file_tools"]

_MAX_CHARS = 30_000
"""Of a result: longer ones would be cut."""
_MAX_LINES = 2_000
_MAX_MATCHES = 200
_MAX_ATTEMPTS = 20
_MAX_LINE_CHARS = 400
_MAX_SEARCHED_BYTES = 64 * 2**20
_UNAVAILABLE = "The task's files are not here. A worker has them: give the task to one."

_Matches = Callable[[str], Any]


def file_tools(files: TaskFiles | None = None) -> Sequence[Tool]:
    """Return the tools. Without ``files`` they have a spec, but their calls fail."""
    return (_read_file(files), _write_file(files), _list_files(files), _search_text(files))


def _read_file(files: TaskFiles | None) -> Tool:
    @tool(effect="pure", timeout="30s")
    async def read_file(
        path: str,
        context: ToolContext,
        start: Annotated[int, Field(ge=1)] = 1,
        lines: Annotated[int, Field(ge=1, le=_MAX_LINES)] = 500,
    ) -> str:
        """Read a text file of the task, or some lines of it.

        Args:
            path: Relative, such as ``data/out.csv``.
            start: The first line to read, from 1.
            lines: How many lines to read.
        """
        store = _available(files)
        file = _find(await store.snapshot(context.task_id), path)
        text = await _text(store, context.task_id, file)
        return _lines(file, text, start, lines)

    return read_file


def _write_file(files: TaskFiles | None) -> Tool:
    @tool(effect="idempotent", timeout="60s")
    async def write_file(path: str, content: str, context: ToolContext, append: bool = False) -> str:
        """Write a text file of the task: replace it, or add to its end. Other directories are made as needed.

        Args:
            path: Relative, such as ``data/out.csv``.
            content: The text.
            append: Add to the end of the file.
        """
        store, name = _available(files), task_path(path)
        key = call_key(context, {"path": path, "content": content, "append": append})
        for _ in range(_MAX_ATTEMPTS):
            with suppress(FilesChanged, FileNotFoundError):  # by another call, meanwhile
                return await _write(
                    store, context.task_id, key, name, content.encode("utf-8", "replace"), append=append
                )
        raise ToolError(f"Other calls change the files too often. Write {name} again, by itself.")

    return write_file


def _list_files(files: TaskFiles | None) -> Tool:
    @tool(effect="pure", timeout="30s")
    async def list_files(context: ToolContext, pattern: str = "*") -> str:
        """List the task's files with their sizes in bytes.

        Args:
            pattern: Such as ``*.csv`` or ``data/*``; ``*`` matches any text, ``/`` too.
        """
        found = _matching(await _available(files).snapshot(context.task_id), pattern)
        if not found:
            return "There are no files." if pattern == "*" else f"No file matches {pattern!r}."
        listed = [f"{file.path} ({file.size:,} bytes)" for file in found]
        return _bounded(listed, f"{len(found):,} files", "a narrower pattern")

    return list_files


def _search_text(files: TaskFiles | None) -> Tool:
    @tool(effect="pure", timeout="60s")
    async def search_text(
        text: str, context: ToolContext, pattern: str = "*", regex: bool = False, ignore_case: bool = False
    ) -> str:
        """Search the task's text files line by line; return the matching lines with file and line number.

        Args:
            text: The text to find, or a regular expression.
            pattern: The files to search, such as ``*.csv``.
            regex: ``text`` is a regular expression (RE2: no lookarounds, no backreferences).
            ignore_case: Upper and lower case are the same.
        """
        store, matches = _available(files), _matcher(text, regex=regex, ignore_case=ignore_case)
        found: list[str] = []
        searched = 0
        for file in _matching(await store.snapshot(context.task_id), pattern):
            searched += file.size
            if searched > _MAX_SEARCHED_BYTES or len(found) > _MAX_MATCHES:
                found.append("[... more files were not searched. Give a pattern that matches fewer ...]")
                break
            try:
                content = await _text(store, context.task_id, file)
            except ToolError:
                continue
            found += [
                f"{file.path}:{number}: {line[:_MAX_LINE_CHARS]}"
                for number, line in enumerate(content.splitlines(), start=1)
                if matches(line)
            ]
        return (
            _bounded(found[: _MAX_MATCHES + 1], f"{len(found):,} lines", "a rarer text")
            if found
            else "No line matches."
        )

    return search_text


async def _write(files: TaskFiles, task_id: str, key: str, path: str, data: bytes, *, append: bool) -> str:
    snapshot = await files.snapshot(task_id)
    old = snapshot.get(path)
    start = await files.read(task_id, old) if append and old is not None else b""

    def report(before: FileSnapshot, after: FileSnapshot) -> str:
        verb = "Wrote" if old is None else "Added to" if append else "Replaced"
        return f"{verb} {path}: it has {len(start) + len(data):,} bytes."

    changes = FileChanges({path: NewFile(start + data, old is not None and old.executable)})
    return await files.publish(task_id, key, changes, report, expected_version=snapshot.version)


def _available(files: TaskFiles | None) -> TaskFiles:
    if files is None:
        raise ToolError(_UNAVAILABLE)
    return files


def _find(snapshot: FileSnapshot, path: str) -> TaskFile:
    name = task_path(path)
    if (file := snapshot.get(name)) is not None:
        return file
    names = [file.path for file in snapshot.files]
    some = ", ".join(names[:20]) or "none"
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    raise ToolError(f"There is no file {name!r}.{did_you_mean(name, names)} Files: {some}{more}.")


async def _text(files: TaskFiles, task_id: str, file: TaskFile) -> str:
    data = await files.read(task_id, file)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ToolError(
            f"{file.path} isn't UTF-8 text: {file.size:,} bytes that start with {data[:16].hex(' ')}. "
            "Read it with the tool python, if you have that."
        ) from error


def _lines(file: TaskFile, text: str, start: int, count: int) -> str:
    lines = text.splitlines(keepends=True)
    if start > max(1, len(lines)):
        raise ToolError(f"{file.path} has {len(lines):,} lines; there is no line {start:,}.")
    shown: list[str] = []
    size = 0
    for line in lines[start - 1 : start - 1 + count]:
        if shown and size + len(line) > _MAX_CHARS:
            break
        shown.append(line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}[... {len(line):,} characters ...]\n")
        size += len(line)
    end = start - 1 + len(shown)
    more = f" Read on with start={end + 1}." if end < len(lines) else ""
    return f"[{file.path}: lines {min(start, end)} to {end} of {len(lines):,}.{more}]\n{''.join(shown)}"


def _matching(snapshot: FileSnapshot, pattern: str) -> list[TaskFile]:
    return [file for file in snapshot.files if fnmatch.fnmatchcase(file.path, pattern.removeprefix("./"))]


def _matcher(text: str, *, regex: bool, ignore_case: bool) -> _Matches:
    if not regex:
        wanted = text.lower() if ignore_case else text
        return lambda line: wanted in (line.lower() if ignore_case else line)
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    try:
        matches: _Matches = re2.compile(text, options).search
    except re2.error as error:
        raise ToolError(f"{text!r} is no regular expression: {error}. Correct it, or leave regex out.") from error
    return matches


def _bounded(lines: Sequence[str], total: str, cure: str) -> str:
    shown: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > _MAX_CHARS or len(shown) == _MAX_MATCHES:
            shown.append(f"[... of {total}, the rest is left out here. Give {cure} ...]")
            break
        shown.append(line)
    return "\n".join(shown)
