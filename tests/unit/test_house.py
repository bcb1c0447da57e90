"""The house rules that no linter knows: what lies where, how long it is, and what it exports."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("agentkit", "workflows", "activities", "api", "cli")
GENERATED = ("_pb2", "_pb2_grpc")
MODULES = [
    path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if not path.stem.endswith(GENERATED)
] + [ROOT / "worker.py"]

# Spelled in pieces, so that this file doesn't name what it looks for.
FORBIDDEN_TEXT = [
    "pypi" + ".org",
    "files.python" + "hosted",
    "registry." + "npmjs",
    "../" + "shared",
    *(f"/{top}/" for top in ("wo" + "rk", "ro" + "ot", "ho" + "me")),
]


def committed_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def module_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names = ast.literal_eval(node.value)
            assert isinstance(names, list)
            return names
    return None


def in_order(names: list[str]) -> list[str]:
    """Constants, then classes, then the rest, each by the alphabet: what ruff's RUF022 writes."""
    return sorted(set(names), key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


def defined(tree: ast.Module) -> set[str]:
    """Every name that the top level binds, imports and both arms of an ``if`` or ``with`` included."""
    names: set[str] = set()
    nodes: list[ast.stmt] = list(tree.body)
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.With):
            nodes.extend([*node.body, *getattr(node, "orelse", [])])
    return names


def public_definitions(tree: ast.Module) -> set[str]:
    """Public classes and functions; a decorated function may be public only to what registers it."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and (isinstance(node, ast.ClassDef) or not node.decorator_list)
    }


def test_the_root_holds_only_what_the_design_allows() -> None:
    directories = {*ROOMS, "tests", "deploy", "docs", "examples", "benchmarks"}
    files = {"pyproject.toml", "Makefile", "worker.py", "README.md", "LICENSE", "CHANGELOG.md", "requirements.lock"}
    tops = {path.relative_to(ROOT).parts[0] for path in committed_files()}
    assert {top for top in tops if not top.startswith(".")} - directories - files == set()


def test_the_worker_is_wiring_and_fits_on_two_screens() -> None:
    assert len((ROOT / "worker.py").read_text().splitlines()) <= 120


@pytest.mark.parametrize("module", MODULES, ids=module_id)
def test_modules_say_what_they_hold(module: Path) -> None:
    vague = {"utils", "util", "common", "shared", "helpers", "helper", "models", "base", "manager", "misc"}
    parts = {part.removesuffix(".py") for part in module.relative_to(ROOT).parts}
    if module.is_relative_to(ROOT / "agentkit" / "llm" / "shared"):
        parts.discard("shared")  # beside a package for each provider it does say what is inside
    assert vague.isdisjoint(parts)
    tree = ast.parse(module.read_text())
    if tree.body:
        assert (ast.get_docstring(tree) or "").strip(), "a module opens with one sentence saying what it is for"


@pytest.mark.parametrize("module", MODULES, ids=module_id)
def test_modules_and_functions_stay_readable_in_one_go(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= 500
    long = {node.name for node in functions(ast.parse(text)) if (node.end_lineno or 0) - node.lineno >= 60}
    assert long == set()


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if not any(part.startswith("_") for part in path.relative_to(ROOT).parts)],
    ids=module_id,
)
def test_public_modules_export_a_sorted_and_true_list_of_names(module: Path) -> None:
    tree = ast.parse(module.read_text())
    names = exported(tree)
    if names is None:
        assert public_definitions(tree) == set(), "public names need an __all__"
        return
    assert names == in_order(names)
    assert set(names) <= defined(tree), "__all__ names what isn't there"
    assert public_definitions(tree) <= set(names), "public, but not in __all__"


def test_packages_export_a_sorted_and_true_list_of_names() -> None:
    for package in (path for path in MODULES if path.name == "__init__.py"):
        tree = ast.parse(package.read_text())
        names = exported(tree) or []
        assert names == in_order(names), package
        assert set(names) <= defined(tree), package


def test_no_committed_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    pattern = re.compile("|".join(rf"(?<![\w.~-]){re.escape(text)}" for text in FORBIDDEN_TEXT))
    found = [
        f"{module_id(path)}: {match[0]}"
        for path in committed_files()
        for match in pattern.finditer(path.read_text(errors="replace"))
    ]
    assert found == []
