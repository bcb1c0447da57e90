"""Code that workflows run reads no clock, makes no random numbers and starts no threads: a replay would differ."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflows.worker_workflows import WORKFLOWS

ROOT = Path(__file__).parents[3]
SHARED = ("agentkit/runtime", "agentkit/planners")
"""Packages that the loop of workflows consists of, beside ``workflows``."""

NOT_IN_WORKFLOWS = {
    "agentkit/runtime/local_runner.py",
    "agentkit/runtime/calls/tool_invocation.py",
    "agentkit/runtime/concurrency.py",
}
"""What the local runner and activities run."""

MODULES = {"os", "random", "secrets", "socket", "subprocess", "tempfile", "threading", "time", "uuid"}
CALLS = {"utcnow", "today", "fromtimestamp", "to_thread", "run_in_executor"}
CLOCKS = {"datetime.now", "datetime.datetime.now"}


def module_path(name: str) -> Path | None:
    """Return the file of one of our modules."""
    path = ROOT / (name.replace(".", "/") + ".py")
    return path if path.exists() else None


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports when it is loaded, not those of ``TYPE_CHECKING``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def workflow_code() -> list[str]:
    """Return the files of ``workflows``, ``agentkit.runtime`` and ``agentkit.planners`` that workflows import."""
    found: set[Path] = set()
    upcoming = [path for cls in WORKFLOWS if (path := module_path(cls.__module__)) is not None]
    while upcoming:
        path = upcoming.pop()
        relative = path.relative_to(ROOT).as_posix()
        if path in found or relative in NOT_IN_WORKFLOWS or not relative.startswith(("workflows", *SHARED)):
            continue
        found.add(path)
        upcoming += [module for name in imported_modules(path) if (module := module_path(name)) is not None]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def violations(source: str) -> Iterator[str]:
    """Yield what a replay would do otherwise."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: import {name.name}" for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield f"{node.lineno}: from {node.module}"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in CALLS or called in CLOCKS or called == "open":
                yield f"{node.lineno}: {called}()"


def test_the_code_of_workflows_is_found() -> None:
    code = workflow_code()
    assert {"workflows/agent_task.py", "workflows/loop_effects.py", "agentkit/runtime/loop.py"} <= set(code)
    assert len(code) > 50


@pytest.mark.parametrize("path", workflow_code())
def test_code_of_workflows_does_the_same_in_a_replay(path: str) -> None:
    assert list(violations((ROOT / path).read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from uuid import uuid4",
        "datetime.now(UTC)",
        "from datetime import date\ndate.today()",
        "open('x')",
        "asyncio.to_thread(f)",
    ],
)
def test_what_a_replay_would_do_otherwise_is_noticed(source: str) -> None:
    assert list(violations(source))


def test_temporals_clock_is_that_of_workflows() -> None:
    assert not list(violations("workflow.now()"))
