"""The contents of the wheel, and the names of its packages."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
NAMES = ("agentkit", "workflows", "activities", "api", "cli", "worker")


@pytest.mark.parametrize("name", NAMES)
def test_no_other_distribution_ships_a_package_of_our_name(name: str) -> None:
    assert set(importlib.metadata.packages_distributions().get(name, [])) <= {"opspawn"}
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert Path(spec.origin or "").is_relative_to(ROOT)


def third_party_imports() -> set[str]:
    files = [ROOT / "worker.py", *(path for package in NAMES[:-1] for path in (ROOT / package).rglob("*.py"))]
    names: set[str] = set()
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names - sys.stdlib_module_names - set(NAMES)


def test_everything_imported_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    declared.add(
        canonicalize_name("pydantic-core")
    )  # pydantic pins it, and its serializer is part of pydantic's interface
    shipped_by = importlib.metadata.packages_distributions()
    needed = {name: {canonicalize_name(dist) for dist in shipped_by.get(name, [])} for name in third_party_imports()}
    assert {name: dists for name, dists in needed.items() if not dists & declared} == {}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {*NAMES[:-1], "worker.py"}


def test_the_wheel_holds_every_file_of_our_packages(wheel: Path) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for package in NAMES[:-1]
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        assert ours <= set(archive.namelist())


def test_the_wheel_installs_the_opspawn_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "opspawn = cli.main:main" in archive.read(entry_points).decode()
