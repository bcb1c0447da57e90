from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentkit.errors import ToolInvalid
from agentkit.tools.host.tool_files import ToolFiles, tool_paths

TOOL = """
from agentkit.tools import tool

@tool
def {name}(text: str) -> str:
    return text
"""

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    return write_file


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    before = sys.path[:]
    yield
    sys.path[:] = before


def names(files: ToolFiles) -> list[str]:
    return [tool.spec.name for path in files.paths() for tool in files.load(path)]


def test_tools_of_all_files_are_loaded_in_the_order_of_file_names(tmp_path: Path, write: Write) -> None:
    write("tools/b.py", TOOL.format(name="second"))
    write("tools/a.py", TOOL.format(name="first"))
    write("tools/_shared.py", TOOL.format(name="hidden"))
    write("tools/notes.txt", "no tool")
    assert names(ToolFiles(tmp_path)) == ["first", "second"]


def test_an_app_directory_without_tools_has_none(tmp_path: Path) -> None:
    assert names(ToolFiles(tmp_path)) == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("from .words import upper", id="sibling"),
        pytest.param("from . import words\nupper = words.upper", id="package"),
        pytest.param("from ..lib import upper", id="parent"),
        pytest.param("from lib import upper", id="absolute"),
    ],
)
async def test_tool_files_import_each_other_and_the_app_directory(tmp_path: Path, write: Write, line: str) -> None:
    write("lib.py", "def upper(text): return text.upper()")
    write("tools/words.py", "def upper(text): return text.upper()")
    write("tools/a.py", f"{line}\n" + TOOL.format(name="shout").replace("return text", "return upper(text)"))
    files = ToolFiles(tmp_path)
    [shout] = files.load(tmp_path / "tools/a.py")
    assert shout("hi") == "HI"
    sys.modules.pop("lib", None)


@pytest.mark.parametrize("line", ["from .a import first", "from tools.a import first"])
def test_a_tool_that_another_file_imports_is_returned_once(tmp_path: Path, write: Write, line: str) -> None:
    write("tools/a.py", TOOL.format(name="first"))
    write("tools/b.py", f"{line}\n" + TOOL.format(name="second"))
    sys.path[:0] = [str(tmp_path)]
    assert names(ToolFiles(tmp_path)) == ["first", "second"]
    for module in ("tools", "tools.a"):
        sys.modules.pop(module, None)


def test_two_app_directories_may_have_files_with_the_same_names(tmp_path: Path, write: Write) -> None:
    write("one/tools/a.py", TOOL.format(name="first"))
    write("two/tools/a.py", TOOL.format(name="second"))
    assert [names(ToolFiles(tmp_path / app)) for app in ("one", "two")] == [["first"], ["second"]]


def test_a_changed_file_is_loaded_anew(tmp_path: Path, write: Write) -> None:
    write("tools/a.py", TOOL.format(name="first"))
    assert names(ToolFiles(tmp_path)) == ["first"]
    write("tools/a.py", TOOL.format(name="changed"))
    assert names(ToolFiles(tmp_path)) == ["changed"]


def test_an_app_directory_shadows_no_installed_module(tmp_path: Path, write: Write) -> None:
    write("json.py", "raise RuntimeError")
    write("tools/a.py", "import json\n" + TOOL.format(name="first"))
    assert names(ToolFiles(tmp_path)) == ["first"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("x = 1\nimport nowhere", "a.py:2: ModuleNotFoundError: No module named 'nowhere'", id="import"),
        pytest.param("x = 1\n\ndef f(:", "a.py:3: SyntaxError: invalid syntax", id="syntax"),
        pytest.param("x = 1\n1 / 0", "a.py:2: ZeroDivisionError: division by zero", id="error"),
        pytest.param("import sys\nsys.exit(1)", "a.py:2: SystemExit: 1", id="exit"),
        pytest.param("from .bad import x", "bad.py:2: KeyError: 'x'", id="error in what it imports"),
        pytest.param(
            "from agentkit.tools import tool\n\n@tool\ndef f(a): ...", "a.py:3: Tool function f: param", id="tool"
        ),
    ],
)  # fmt: skip
def test_the_error_of_a_broken_file_has_file_line_and_error(
    tmp_path: Path, write: Write, text: str, message: str
) -> None:
    write("tools/bad.py", "\n{}['x']")
    write("tools/a.py", text)
    with pytest.raises(ToolInvalid) as raised:
        ToolFiles(tmp_path).load(tmp_path / "tools/a.py")
    assert str(raised.value).startswith(f"{tmp_path}/tools/{message}")


def test_the_files_of_a_project_without_agentkit_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "deploy.py").write_text("raise SystemExit('this must not run')")
    assert tool_paths(tmp_path) == []
    (tmp_path / "tools" / "sums.py").write_text("from agentkit.tools import tool")
    assert [path.name for path in tool_paths(tmp_path)] == ["deploy.py", "sums.py"]
