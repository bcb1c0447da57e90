"""Check that the lock files are in step with pyproject.toml: no network, no clock, the same answer every day.

``make lock`` notes beside each locked package who asked for it, so what pyproject.toml asks for and what a lock was
made from can be compared by name, and each locked version against what is asked for. ``requirements.lock`` is what it
takes to run and to develop; ``.ci/requirements-EXTRA.lock`` is what an extra adds, without what that asks for in turn.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
_DIRECT = re.compile(r"^ +#(?: via)? +opspawn \(pyproject\.toml(?::\w+)?\)$")
_LOCK = "requirements.lock"


@dataclass
class _Entry:
    version: str
    hashes: int = 0
    direct: bool = False
    """pyproject.toml asked for it when the lock was made."""


def read_lock(text: str, *, direct: bool) -> dict[str, _Entry]:
    """Return the locked packages by canonical name; ``direct`` where the lock holds only what was asked for."""
    entries: dict[str, _Entry] = {}
    entry = _Entry("")
    for line in text.splitlines():
        if pin := _PIN.match(line):
            entry = entries.setdefault(canonicalize_name(pin[1]), _Entry(pin[2], direct=direct))
        elif "--hash=sha256:" in line:
            entry.hashes += 1
        elif _DIRECT.match(line):
            entry.direct = True
    return entries


def read_requirements(text: str) -> dict[str, list[Requirement]]:
    """Return what pyproject.toml asks for, by lock file: to run and to develop, and for each extra."""
    toml = tomllib.loads(text)
    project = toml["project"]
    asked = {_LOCK: project["dependencies"] + toml["dependency-groups"]["dev"]}
    for extra, lines in project.get("optional-dependencies", {}).items():
        asked[f".ci/requirements-{extra}.lock"] = lines
    return {name: [Requirement(line) for line in lines] for name, lines in asked.items()}


def faults(requirements: list[Requirement], lock: dict[str, _Entry]) -> Iterator[str]:
    """Yield what is out of step, a sentence each."""
    wanted = {canonicalize_name(requirement.name) for requirement in requirements}
    for requirement in requirements:
        entry = lock.get(canonicalize_name(requirement.name))
        if entry is None or not entry.direct:
            yield f"pyproject.toml asks for {requirement}, and the lock was made without it"
        elif entry.version not in requirement.specifier:
            yield f"pyproject.toml asks for {requirement}, and the lock holds {entry.version}"
    for name, entry in lock.items():
        if entry.direct and name not in wanted:
            yield f"the lock was made with {name}, and pyproject.toml doesn't ask for it"
        if not entry.hashes:
            yield f"the lock holds {name} without a hash"


def check(root: Path) -> int:
    """Print what is out of step in ``root``; return the exit code."""
    failed = False
    for name, requirements in read_requirements((root / "pyproject.toml").read_text()).items():
        path = root / name
        lock = read_lock(path.read_text(), direct=name != _LOCK) if path.exists() else {}
        found = list(faults(requirements, lock))
        for fault in found:
            sys.stderr.write(f"{fault}\n")
        if found:
            failed = True
            sys.stderr.write(f"{name} is out of step with pyproject.toml. Mend it: make lock\n")
        else:
            sys.stdout.write(f"{name} is in step with pyproject.toml ({len(lock)} packages)\n")
    return int(failed)


def main(arguments: list[str]) -> int:
    """Check a directory, this one by default; ``--extra NAME`` prints what an extra asks for instead."""
    if arguments[:1] == ["--extra"]:
        asked = read_requirements(Path("pyproject.toml").read_text())[f".ci/requirements-{arguments[1]}.lock"]
        sys.stdout.write("".join(f"{requirement}\n" for requirement in asked))
        return 0
    return check(Path(arguments[0] if arguments else "."))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
