"""``opspawn init``: make a new app directory."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from cli.errors import CommandFailed, UsageWrong
from cli.views.console import out

__all__ = ["init"]


def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to make it.")]) -> None:
    """Make a new app directory with an agent and a tool to start from.

    Files that are there already are never overwritten.
    """
    written = dict(_template(files("agentkit.catalog.defaults") / "template", PurePosixPath()))
    if directory.exists() and not directory.is_dir():
        raise UsageWrong(f"{directory} is a file. Name a directory.")
    taken = sorted(str(path) for path in written if (directory / path).exists())
    if taken:
        raise UsageWrong(f"{directory} already holds {', '.join(taken)}. Nothing was written; name another directory.")
    try:
        for path, content in written.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    except OSError as error:
        raise CommandFailed(f"Can't write {error.filename}: {error.strerror}") from None
    out.print(f"Made {directory} with {', '.join(sorted(str(path) for path in written))}", soft_wrap=True)
    out.print(f"Next: opspawn dev --app-dir {directory}", soft_wrap=True)


def _template(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _template(entry, path / entry.name)
        else:
            yield path / entry.name, entry.read_bytes()
