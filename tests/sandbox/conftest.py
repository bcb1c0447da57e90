"""A sandbox of each tier. Where a tier can't be used, its tests are skipped, saying why; in CI they fail."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agentkit.interfaces import SandboxedProgram, SandboxLimits, SandboxResult
from agentkit.sandbox.confinement import Confinement
from agentkit.sandbox.local_sandbox import LocalSandbox, first_user_id
from agentkit.sandbox.scratch_space import ScratchSpace
from agentkit.sandbox.tier_choice import choose_tier

__all__ = ["IN_CI", "Run", "processes_of"]

Run = Callable[..., Awaitable[SandboxResult]]

IN_CI = bool(os.environ.get("CI"))  # noqa: TID251  # only the tests of this directory need it


@pytest.fixture(scope="session")
def space() -> Iterator[ScratchSpace]:
    space = ScratchSpace()
    yield space
    space.close()


@pytest.fixture(scope="session", params=["bubblewrap", "landlock"])
def confinement(request: pytest.FixtureRequest, space: ScratchSpace) -> Confinement:
    choice = choose_tier(request.param, space)
    if choice.confinement is None:
        if IN_CI:
            pytest.fail(f"CI must have every tier. {choice.description}")
        pytest.skip(choice.description)
    return choice.confinement


@pytest.fixture
def sandbox(confinement: Confinement, space: ScratchSpace) -> LocalSandbox:
    return LocalSandbox(confinement, confinement.tier, space)


@pytest.fixture
def run(sandbox: LocalSandbox) -> Run:
    """Return a function that runs a program, with files, and then gives its directory to a function."""

    async def run(
        code: str,
        *,
        kind: str = "python",
        with_files: dict[str, str] | None = None,
        then: Callable[[Path], None] = lambda path: None,
        **limits: float,
    ) -> SandboxResult:
        async with sandbox.workspace() as workspace:
            for name, text in (with_files or {}).items():
                (workspace.directory / name).write_text(text)
            program = SandboxedProgram.model_validate({"kind": kind, "code": code})
            result = await workspace.run(program, SandboxLimits.model_validate({"wall_s": 20, **limits}))
            then(workspace.directory)
            return result

    return run


def processes_of(space: ScratchSpace) -> set[str]:
    """Return the processes of this run's sandboxes: by a path in their command or environment, or by their user."""
    marker, first = str(space.directory).encode(), first_user_id()
    found = set()
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        with suppress(OSError):
            if first is not None and first <= path.stat().st_uid < first + 64:
                found.add(path.name)
            if marker in (path / "cmdline").read_bytes() + (path / "environ").read_bytes():
                found.add(path.name)
    return found
