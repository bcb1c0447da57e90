"""The gate that keeps the generated code consistent with the protos."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
FOLDER = "api/proto/opspawn/v1"


def protos(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci" / "protos.py"), str(directory), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=directory)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "api" / "proto", tmp_path / "api" / "proto", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_generated_code_fits() -> None:
    assert protos(ROOT, "--check").returncode == 0, protos(ROOT, "--check").stderr


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        pytest.param("tasks.proto", ("int32 limit = 8", "int32 limit = 18"), "tasks_pb2.py doesn't fit", id="changed"),
        pytest.param("tasks_pb2.pyi", None, "tasks_pb2.pyi is missing", id="missing"),
        pytest.param("gone_pb2.py", ("", "x = 1"), "gone_pb2.py has no proto", id="left-over"),
    ],
)
def test_each_difference_is_named_and_removed_by_make_proto(
    copy: Path, file: str, change: tuple[str, str] | None, message: str
) -> None:
    path = copy / FOLDER / file
    if change is None:
        path.unlink()
    else:
        path.write_text((path.read_text() if path.exists() else "").replace(*change))
    checked = protos(copy, "--check")
    assert checked.returncode == 1
    assert f"{FOLDER}/{message}" in checked.stderr
    assert "make proto" in checked.stderr
    assert protos(copy).returncode == 0
    assert protos(copy, "--check").returncode == 0


def test_a_wrong_proto_is_named_with_its_line(copy: Path) -> None:
    (copy / FOLDER / "wrong.proto").write_text("syntax = 'proto3';\nmessage {}\n")
    checked = protos(copy, "--check")
    assert checked.returncode == 1
    assert "wrong.proto:2" in checked.stderr


def test_the_dependency_floors_fit_the_generated_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = {requirement.name: requirement.specifier for requirement in map(Requirement, project["dependencies"])}
    text = (ROOT / FOLDER / "tasks_pb2.py").read_text() + (ROOT / FOLDER / "tasks_pb2_grpc.py").read_text()
    for name, pattern in (("protobuf", r"Protobuf Python Version: (\S+)"), ("grpcio", r"VERSION = '(\S+)'")):
        needed = re.search(pattern, text)
        assert needed is not None
        (floor,) = floors[name]
        assert floor.operator == ">="
        assert Version(floor.version) >= Version(needed[1])
