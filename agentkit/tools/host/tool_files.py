"""Import the tool files of an app directory: ``tools/*.py``."""

from __future__ import annotations

import importlib
import itertools
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from agentkit.errors import ToolInvalid
from agentkit.tools.function_tool import FunctionTool

__all__ = ["ToolFiles", "tool_paths"]

_package_numbers = itertools.count(1)


def tool_paths(app_dir: Path) -> Sequence[Path]:
    """Return the tool files of an app directory, sorted by name, without pipes, devices, and what starts with ``_``.

    None, if no file below ``tools/`` mentions agentkit: then it is another project's directory, whose files must not be
    run.
    """
    files = [path for path in (app_dir / "tools").glob("*.py") if path.is_file()]
    paths = sorted(path for path in files if not path.name.startswith("_"))
    return paths if any(map(_mentions_agentkit, files)) else []


def _mentions_agentkit(path: Path) -> bool:
    try:
        return b"agentkit" in path.read_bytes()
    except OSError:
        return False


class ToolFiles:
    """The tool files of one app directory, imported as ``opspawn_app_N.tools.NAME``.

    So ``from . import other`` and ``from ..lib import thing`` work. The app directory is also appended to
    ``sys.path``, where it shadows no module, so that ``import lib`` works. Files that start with ``_`` are left out.
    """

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = app_dir
        self._package = f"opspawn_app_{next(_package_numbers)}"
        self._loaded: set[str] = set()
        """Origin and name of each tool that ``load`` has returned."""

    def paths(self) -> Sequence[Path]:
        """Return the files, sorted by name."""
        return tool_paths(self._app_dir)

    def load(self, path: Path) -> Sequence[FunctionTool[..., object]]:
        """Import one file, and return its tools without those that an earlier file returned.

        Raises:
            ToolInvalid: the file can't be imported; the message has the file, the line and the error.
        """
        self._prepare()
        try:
            module = importlib.import_module(f"{self._package}.tools.{path.stem}")
        except (Exception, SystemExit) as error:  # users write these files
            raise ToolInvalid(self._explain(path, error)) from error
        return [value for value in vars(module).values() if isinstance(value, FunctionTool) and self._is_new(value)]

    def _is_new(self, tool: FunctionTool[..., object]) -> bool:
        """Return whether it is new. Tools are compared by origin: a file may have been imported under two names."""
        key = f"{tool.origin} {tool.spec.name}"
        is_new = key not in self._loaded
        self._loaded.add(key)
        return is_new

    def _prepare(self) -> None:
        root = str(self._app_dir.resolve())
        if self._package not in sys.modules:
            package = ModuleType(self._package)
            package.__path__ = [root]
            sys.modules[self._package] = package
        if root not in sys.path:
            sys.path.append(root)
        importlib.invalidate_caches()  # files may be newer than the import system's cache

    def _explain(self, path: Path, error: BaseException) -> str:
        location = self._location(error) or str(path)
        if isinstance(error, ToolInvalid):
            return f"{location}: {error}"
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        hint = " Install it, or move the file." if isinstance(error, ModuleNotFoundError) else ""
        return f"{location}: {type(error).__name__}: {message}.{hint}"

    def _location(self, error: BaseException) -> str | None:
        """Return file and line of the innermost frame in the app directory; None if there is none."""
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename:
            frames.append((error.filename, error.lineno))
        root = self._app_dir.resolve()
        inside = [(Path(file), line) for file, line in frames if Path(file).is_relative_to(root)]
        if not inside:
            return None
        file, line = inside[-1]
        return f"{self._app_dir / file.relative_to(root)}:{line}"
