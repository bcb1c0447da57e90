"""The tier is the strongest that works; it is never weaker than what was asked for, and a refusal says why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkit.sandbox import tier_choice
from agentkit.sandbox.scratch_space import ScratchSpace
from agentkit.sandbox.tier_choice import build_sandbox, choose_tier


@pytest.fixture
def space() -> Iterator[ScratchSpace]:
    space = ScratchSpace()
    yield space
    space.close()


def test_none_is_chosen_only_on_purpose(space: ScratchSpace) -> None:
    choice = choose_tier("none", space)
    assert choice.confinement is not None
    assert choice.confinement.tier == "none"
    assert "NOT confined" in choice.description


def test_a_kernel_without_anything_gives_a_refusal_with_all_reasons(
    space: ScratchSpace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tier_choice, "find_spec", lambda name: None)
    monkeypatch.setattr(tier_choice, "landlock_abi", lambda: 0)
    choice = choose_tier("auto", space)
    assert choice.confinement is None
    assert "bubblewrap: there is no command bwrap. Install bubblewrap" in choice.description
    assert "landlock: it needs Landlock with ABI 3 or later (Linux 6.2), and this kernel has none" in choice.description


def test_a_bubblewrap_that_fails_is_named_and_the_next_tier_is_tried(
    space: ScratchSpace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    choice = choose_tier("bubblewrap", space)
    assert choice.confinement is None
    assert "bubblewrap: No permissions to create new namespace" in choice.description
    chosen = choose_tier("auto", space)
    assert chosen.confinement is None or chosen.confinement.tier == "landlock"
    assert "No permissions to create new namespace" in chosen.description


def test_an_unknown_machine_is_refused(space: ScratchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    choice = choose_tier("auto", space)
    assert choice.confinement is None


def test_a_sandbox_that_refuses_has_no_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tier_choice, "landlock_abi", lambda: 2)
    sandbox = build_sandbox("landlock")
    assert sandbox.tier is None
    assert "this kernel has ABI 2" in sandbox.description


def test_a_command_that_can_not_be_started_leaves_no_open_descriptor(
    space: ScratchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bwrap"
    command.write_text("#!/nowhere/interpreter\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    assert choose_tier("bubblewrap", space).confinement is None
    assert len(os.listdir("/proc/self/fd")) == before
