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

from tests.built_wheels import VirtualEnvironment, build_opspawn, build_small

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
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {canonicalize_name(Requirement(line).name) for line in (*project["dependencies"], *extras)}
    declared.add(
        canonicalize_name("pydantic-core")
    )  # pydantic pins it, and its serializer is part of pydantic's interface
    shipped_by = importlib.metadata.packages_distributions()
    needed = {name: {canonicalize_name(dist) for dist in shipped_by.get(name, [])} for name in third_party_imports()}
    assert {name: dists for name, dists in needed.items() if not dists & declared} == {}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_opspawn(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_adds_two_names_at_the_top(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"agentkit", "opspawn"}


def test_the_wheel_holds_every_file_of_our_packages_and_nothing_else(wheel: Path) -> None:
    ours = {
        path if path.startswith("agentkit/") else f"opspawn/{path}"
        for package in NAMES[:-1]
        for path in files_below(ROOT / package, ROOT)
    }
    ours |= files_below(ROOT / "deploy" / "launcher", ROOT / "deploy" / "launcher") | {"opspawn/worker.py"}
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == ours


def files_below(directory: Path, root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_an_editable_install_takes_everything_from_the_checkout(tmp_path: Path) -> None:
    for path in ("pyproject.toml", "README.md", "LICENSE", "deploy/wheel_hook.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    command = [sys.executable, "-c", "import hatchling.build; print(hatchling.build.build_editable('.'))"]

    built = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    with zipfile.ZipFile(tmp_path / built) as archive:
        (added,) = (name for name in archive.namelist() if ".dist-info/" not in name)
        assert archive.read(added).decode().split() == [str(tmp_path), str(tmp_path / "deploy" / "launcher")]


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
def test_neither_replaces_the_other_beside_a_distribution_with_our_names(
    wheel: Path, tmp_path: Path, ours_first: bool
) -> None:
    names = [name for name in NAMES if name not in ("agentkit", "worker")]
    files = {f"{name}/__init__.py": "OWNER = 'theirs'\n" for name in names} | {"worker.py": "OWNER = 'theirs'\n"}
    theirs = build_small(tmp_path, "theirs", files)
    environment = VirtualEnvironment.create(tmp_path / "venv")

    for path in (wheel, theirs) if ours_first else (theirs, wheel):
        environment.install(path)

    program = (
        f"import {', '.join(names)}, worker; print({{{', '.join(f'{name}.OWNER' for name in [*names, 'worker'])}}})"
    )
    assert environment.run("python", "-c", program, directory=tmp_path).strip() == "{'theirs'}"
    assert installed(wheel, environment)
    environment.pip("uninstall", "--yes", "theirs")
    assert installed(wheel, environment)
    assert not [name for name in [*names, "worker.py"] if (environment.site_packages / name).exists()]
    environment.add_dependencies()
    assert environment.run("opspawn", "--version", directory=tmp_path).startswith("opspawn ")


def installed(wheel: Path, environment: VirtualEnvironment) -> bool:
    """Return whether each file of the wheel is installed, unchanged."""
    with zipfile.ZipFile(wheel) as archive:
        return all(
            (environment.site_packages / name).read_bytes() == archive.read(name)
            for name in archive.namelist()
            if not name.endswith("/RECORD")
        )
