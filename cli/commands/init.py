"""``opspawn init``: make a new app directory, or add the files of one to a project."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from activities.shell_commands import opspawn_command
from cli.errors import CommandFailed, UsageWrong
from cli.views.console import out

__all__ = ["init"]

_AGENT = PurePosixPath("agents/assistant.yaml")
_TOOLS = PurePosixPath("tools/example.py")
_GITIGNORE = PurePosixPath(".gitignore")
_Files = dict[PurePosixPath, bytes]


def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory; . is this one.")]) -> None:
    """Make a new app directory with an agent and a tool to start from.

    Files that exist are kept as they are.
    """
    template = dict(_template_files(files("agentkit.catalog.defaults") / "template", PurePosixPath()))
    if directory.exists() and not directory.is_dir():
        raise UsageWrong(f"{directory} is a file. Name a directory.")
    new = _new_files(directory, template)
    try:
        for path, content in new.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    except OSError as error:
        raise CommandFailed(f"Can't write {error.filename}: {error.strerror}") from None
    if new:
        out.print(f"Wrote to {directory}: {_listed(new)}", soft_wrap=True)
    if kept := template.keys() - new.keys():
        out.print(f"Kept as it was: {_listed(kept)}", soft_wrap=True)
    if _GITIGNORE in kept and ".opspawn" not in (directory / _GITIGNORE).read_text(errors="replace"):
        out.print(f"Add .opspawn/ to {directory / _GITIGNORE}: tasks are stored there.", soft_wrap=True)
    if new and any(path.name != _TOOLS.name for path in (directory / _TOOLS.parent).glob("*.py")):
        tools, other = directory / _TOOLS.parent, opspawn_command("init", str(directory / "my-app"))
        out.print(f"Every file {tools}/*.py is imported for its tools. If that isn't wanted: `{other}`", soft_wrap=True)
    options = [] if directory.samefile(Path.cwd()) else ["--app-dir", str(directory)]
    out.print(f"Next: {opspawn_command('dev', *options)}", soft_wrap=True)


def _new_files(directory: Path, template: _Files) -> _Files:
    """Return the files of the template that ``directory`` lacks.

    The agent uses a tool of the example, so that it is left out beside a file of that name which isn't ours.
    """
    new = {path: content for path, content in template.items() if not (directory / path).exists()}
    if _TOOLS not in new and (directory / _TOOLS).read_bytes() != template[_TOOLS]:
        new.pop(_AGENT, None)
    return new


def _listed(paths: Collection[PurePosixPath]) -> str:
    return ", ".join(sorted(map(str, paths)))


def _template_files(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _template_files(entry, path / entry.name)
        else:
            yield path / entry.name, entry.read_bytes()
