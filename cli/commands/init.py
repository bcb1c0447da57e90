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


def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory to make.")]) -> None:
    """Make a new app directory with an agent and a tool to start from.

    Existing files are never overwritten.
    """
    template = dict(_template_files(files("agentkit.catalog.defaults") / "template", PurePosixPath()))
    if directory.exists() and not directory.is_dir():
        raise UsageWrong(f"{directory} is a file. Name a directory.")
    existing = sorted(str(path) for path in template if (directory / path).exists())
    if existing:
        raise UsageWrong(
            f"{directory} already holds {', '.join(existing)}. Nothing was written; name another directory."
        )
    try:
        for path, content in template.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    except OSError as error:
        raise CommandFailed(f"Can't write {error.filename}: {error.strerror}") from None
    out.print(f"Made {directory} with {', '.join(sorted(str(path) for path in template))}", soft_wrap=True)
    out.print(f"Next: opspawn dev --app-dir {directory}", soft_wrap=True)


def _template_files(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _template_files(entry, path / entry.name)
        else:
            yield path / entry.name, entry.read_bytes()
