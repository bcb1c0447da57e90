"""Check that requirements.lock is in step with pyproject.toml: no network, no clock, the same answer every day.

``make lock`` notes beside each locked package who asked for it, so what pyproject.toml asks for and what the lock
was made from can be compared by name, and each locked version against what is asked for.
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


@dataclass
class _Entry:
    version: str
    hashes: int = 0
    direct: bool = False
    """pyproject.toml asked for it when the lock was made."""


def read_lock(text: str) -> dict[str, _Entry]:
    """Return the locked packages by canonical name."""
    entries: dict[str, _Entry] = {}
    entry = _Entry("")
    for line in text.splitlines():
        if pin := _PIN.match(line):
            entry = entries.setdefault(canonicalize_name(pin[1]), _Entry(pin[2]))
        elif "--hash=sha256:" in line:
            entry.hashes += 1
        elif _DIRECT.match(line):
            entry.direct = True
    return entries


def read_requirements(text: str) -> list[Requirement]:
    """Return what pyproject.toml asks for: to run and to develop."""
    project = tomllib.loads(text)
    return [Requirement(line) for line in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]


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


def main(root: Path) -> int:
    """Print what is out of step in ``root``; return the exit code."""
    lock = read_lock((root / "requirements.lock").read_text())
    found = list(faults(read_requirements((root / "pyproject.toml").read_text()), lock))
    for fault in found:
        sys.stderr.write(f"{fault}\n")
    if found:
        sys.stderr.write("requirements.lock is out of step with pyproject.toml. Mend it: make lock\n")
        return 1
    sys.stdout.write(f"requirements.lock is in step with pyproject.toml ({len(lock)} packages)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
