"""Rules of this repository that no linter checks: layout, names, lengths, exports, and a test for each module."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkit.catalog.defaults import TEMPLATE

ROOT = Path(__file__).parents[2]
PACKAGES = ("agentkit", "workflows", "activities", "api", "cli")
GENERATED = ("_pb2", "_pb2_grpc")
MODULES = [
    path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if not path.stem.endswith(GENERATED)
] + [ROOT / "worker.py"]

REPEATED_MODULE_NAMES = {
    "client",  # openai, temporal
    "errors",  # each package's error tree
    "model",  # the interface, each provider, the activity
    "profile",  # each provider's model profiles
    "request",  # each provider's request body
    "stream",  # each provider's response stream
    "tool",  # the interface, the activity
}
"""Module names that may occur twice: the package completes the name."""

LINES_TO_TEST = 15
MIN_TESTED_SHARE = 0.8
"""Share of the modules over ``LINES_TO_TEST`` lines that must have a test file of the same name."""

RUFF = Path(sys.executable).with_name("ruff")

WORKAROUNDS = re.compile(r"os\.putenv|os\.environb|Event\(\)\.wait\(")
"""They evade the bans on reading the environment and on sleeping: change the rule or the design instead."""

# Written in parts, so that this file doesn't contain them.
FORBIDDEN_TEXT = [
    "pypi" + ".org",
    "files.python" + "hosted",
    "registry." + "npmjs",
    "../" + "shared",
    *(f"/{top}/" for top in ("wo" + "rk", "ro" + "ot", "ho" + "me")),
]


def tracked_files() -> list[Path]:
    """Return git's files: an app directory that `opspawn init` made in the checkout is none of them."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"],
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
    """Constants, then classes, then the rest, each in alphabetical order: as ruff's RUF022 sorts."""
    return sorted(set(names), key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


def defined(tree: ast.Module) -> set[str]:
    """Return the names bound at the top level, also by imports and inside ``if`` and ``with``."""
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
    """Return the public classes, and the public functions without a decorator, which might register them."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and (isinstance(node, ast.ClassDef) or not node.decorator_list)
    }


def test_the_root_holds_only_what_the_design_allows() -> None:
    directories = {*PACKAGES, "tests", "deploy", "docs", "examples", "benchmarks"}
    files = {"pyproject.toml", "Makefile", "worker.py", "README.md", "LICENSE", "CHANGELOG.md", "requirements.lock"}
    tops = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert {top for top in tops if not top.startswith(".")} - directories - files == set()


def test_the_worker_only_connects_parts() -> None:
    text = (ROOT / "worker.py").read_text()
    assert not [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    assert len(text.splitlines()) <= 150, "what isn't wiring belongs in a package"


@pytest.mark.parametrize("module", MODULES, ids=module_id)
def test_modules_have_a_descriptive_name_and_docstring(module: Path) -> None:
    vague = {"utils", "util", "common", "shared", "helpers", "helper", "models", "base", "manager", "misc"}
    parts = {part.removesuffix(".py") for part in module.relative_to(ROOT).parts}
    if module.is_relative_to(ROOT / "agentkit" / "llm" / "shared"):
        parts.discard("shared")  # clear beside a package for each provider
    assert vague.isdisjoint(parts)
    tree = ast.parse(module.read_text())
    if tree.body:
        assert (ast.get_docstring(tree) or "").strip(), "a module begins with a sentence that describes it"


@pytest.mark.parametrize("module", MODULES, ids=module_id)
def test_modules_have_at_most_500_lines_and_functions_60(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= 500
    long = {node.name for node in functions(ast.parse(text)) if (node.end_lineno or 0) - node.lineno >= 60}
    assert long == set()


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if not any(part.startswith("_") for part in path.relative_to(ROOT).parts)],
    ids=module_id,
)
def test_public_modules_export_a_sorted_and_correct_list_of_names(module: Path) -> None:
    tree = ast.parse(module.read_text())
    names = exported(tree)
    if names is None:
        assert public_definitions(tree) == set(), "public names need an __all__"
        return
    assert names == in_order(names)
    assert set(names) <= defined(tree), "__all__ has a name that is not defined"
    assert public_definitions(tree) <= set(names), "public, but not in __all__"


def test_packages_export_a_sorted_and_correct_list_of_names() -> None:
    for package in (path for path in MODULES if path.name == "__init__.py"):
        tree = ast.parse(package.read_text())
        names = exported(tree) or []
        assert names == in_order(names), package
        assert set(names) <= defined(tree), package


def test_no_file_contains_the_host_of_a_registry_or_a_path_of_one_machine() -> None:
    pattern = re.compile("|".join(rf"(?<![\w.~-]){re.escape(text)}" for text in FORBIDDEN_TEXT))
    matches = [
        f"{module_id(path)}: {match[0]}"
        for path in tracked_files()
        for match in pattern.finditer(path.read_text(errors="replace"))
    ]
    assert matches == []


def test_no_public_class_name_is_defined_twice() -> None:
    modules_by_class: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules_by_class.setdefault(node.name, []).append(module_id(module))
    assert {name: modules for name, modules in modules_by_class.items() if len(modules) > 1} == {}


def test_few_module_names_are_used_twice() -> None:
    counts = Counter(module.stem for module in MODULES if module.stem not in ("__init__", "__main__"))
    repeated = {name for name, count in counts.items() if count > 1}
    assert repeated <= REPEATED_MODULE_NAMES
    assert len(REPEATED_MODULE_NAMES) <= 8


def test_no_rule_is_worked_around() -> None:
    matches = [f"{module_id(module)}: {text}" for module in MODULES for text in WORKAROUNDS.findall(module.read_text())]
    assert matches == []


def test_most_modules_have_a_test_file_of_the_same_name() -> None:
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    modules = [
        module for module in MODULES if module.stem != "__init__" and module.read_text().count("\n") > LINES_TO_TEST
    ]
    untested = [module_id(module) for module in modules if module.stem.lstrip("_") not in tested]
    assert len(untested) <= (1 - MIN_TESTED_SHARE) * len(modules), untested


def test_linters_leave_out_an_app_directory_in_the_checkout(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("my-app", "rich"):
        shutil.copytree(TEMPLATE, tmp_path / name)
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "module.py").write_text("from rich.text import Text\n\nfrom cli.errors import UsageWrong\n")

    listed = subprocess.run(
        [RUFF, "check", "--show-files"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    sorted_imports = subprocess.run([RUFF, "check", "--select", "I"], cwd=tmp_path, capture_output=True, check=False)

    assert {Path(line).name for line in listed.splitlines()} == {"pyproject.toml", "module.py"}
    assert sorted_imports.returncode == 0, "a directory named like a dependency changes no import order"
