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

__all__ = ["ToolFiles"]

_numbers = itertools.count(1)


class ToolFiles:
    """The tool files of one app directory, imported as ``opspawn_app_N.tools.NAME``.

    So ``from . import other`` and ``from ..lib import thing`` work. The app directory also goes to the end of
    ``sys.path``, where it hides nothing, so that ``import lib`` works. Files that start with ``_`` are left out.
    """

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = app_dir
        self._package = f"opspawn_app_{next(_numbers)}"
        self._seen: set[str] = set()

    def paths(self) -> Sequence[Path]:
        """Return the files, by name."""
        return sorted(path for path in (self._app_dir / "tools").glob("*.py") if not path.name.startswith("_"))

    def load(self, path: Path) -> Sequence[FunctionTool[..., object]]:
        """Import one file, and return the tools found in it that no file before had.

        Raises:
            ToolInvalid: names the file, the line and the error.
        """
        self._prepare()
        try:
            module = importlib.import_module(f"{self._package}.tools.{path.stem}")
        except (Exception, SystemExit) as error:  # a tool file is anyone's code
            raise ToolInvalid(self._explain(path, error)) from error
        return [found for found in vars(module).values() if isinstance(found, FunctionTool) and self._is_new(found)]

    def _is_new(self, found: FunctionTool[..., object]) -> bool:
        """Tell whether it is new, by where it stands: a file may have been imported under two names."""
        key = f"{found.origin} {found.spec.name}"
        new = key not in self._seen
        self._seen.add(key)
        return new

    def _prepare(self) -> None:
        root = str(self._app_dir.resolve())
        if self._package not in sys.modules:
            package = ModuleType(self._package)
            package.__path__ = [root]
            sys.modules[self._package] = package
        if root not in sys.path:
            sys.path.append(root)
        importlib.invalidate_caches()  # files may be younger than the finder's listing

    def _explain(self, path: Path, error: BaseException) -> str:
        place = self._place(error) or str(path)
        if isinstance(error, ToolInvalid):
            return f"{place}: {error}"
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        hint = " Install it, or move the file." if isinstance(error, ModuleNotFoundError) else ""
        return f"{place}: {type(error).__name__}: {what}.{hint}"

    def _place(self, error: BaseException) -> str | None:
        """Return the innermost file and line that lies in the app directory."""
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename:
            frames.append((error.filename, error.lineno))
        root = self._app_dir.resolve()
        inside = [(Path(file), line) for file, line in frames if Path(file).is_relative_to(root)]
        if not inside:
            return None
        file, line = inside[-1]
        return f"{self._app_dir / file.relative_to(root)}:{line}"
