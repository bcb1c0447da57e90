"""Check that the lock files fit pyproject.toml: without network and clock, so with the same result every day.

``make lock`` writes beside each locked package which package requires it. So the requirements of pyproject.toml can be
compared with those that a lock was made from, and each locked version with its requirement.
``requirements.lock`` holds all packages to run, ``.ci/requirements-dev.lock`` all that development adds, and
``.ci/requirements-EXTRA.lock`` what an extra adds to ``requirements.lock``; for ``embedded``, ``local``
and ``s3`` without dependencies.
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
_DEV_LOCK = ".ci/requirements-dev.lock"
_WITHOUT_DEPENDENCIES = frozenset({"embedded", "local", "s3"})


@dataclass
class _Entry:
    version: str
    hashes: int = 0
    direct: bool = False
    """Whether pyproject.toml required it when the lock was made."""


def read_lock(text: str, *, direct: bool) -> dict[str, _Entry]:
    """Return the locked packages by canonical name; ``direct``: the lock holds no dependencies."""
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
    """Return the requirements of pyproject.toml for each lock file."""
    toml = tomllib.loads(text)
    project = toml["project"]
    lines_by_lock = {_LOCK: project["dependencies"], _DEV_LOCK: toml["dependency-groups"]["dev"]}
    for extra, lines in project.get("optional-dependencies", {}).items():
        lines_by_lock[f".ci/requirements-{extra}.lock"] = lines
    return {name: [Requirement(line) for line in lines] for name, lines in lines_by_lock.items()}


def compare(requirements: list[Requirement], lock: dict[str, _Entry]) -> Iterator[str]:
    """Yield the differences, a sentence each."""
    required = {canonicalize_name(requirement.name) for requirement in requirements}
    for requirement in requirements:
        entry = lock.get(canonicalize_name(requirement.name))
        if entry is None or not entry.direct:
            yield f"pyproject.toml requires {requirement}, and the lock was made without it"
        elif entry.version not in requirement.specifier:
            yield f"pyproject.toml requires {requirement}, and the lock holds {entry.version}"
    for name, entry in lock.items():
        if entry.direct and name not in required:
            yield f"the lock was made with {name}, and pyproject.toml doesn't require it"
        if not entry.hashes:
            yield f"the lock holds {name} without a hash"


def compare_versions(lock: dict[str, _Entry], other_name: str, other: dict[str, _Entry]) -> Iterator[str]:
    """Yield the packages of which ``lock`` holds another version than ``other``, a sentence each."""
    for name, entry in lock.items():
        if name in other and other[name].version != entry.version:
            yield f"the lock holds {name} {entry.version}, and {other_name} holds {other[name].version}"


def additions(text: str, base: dict[str, _Entry]) -> str:
    """Return the text of a lock without the packages that ``base`` holds as well."""
    kept: list[str] = []
    keeping = True
    for line in text.splitlines(keepends=True):
        if pin := _PIN.match(line):
            keeping = canonicalize_name(pin[1]) not in base
        if keeping:
            kept.append(line)
    return "".join(kept)


def check(root: Path) -> int:
    """Print the differences in the project at ``root``; return the exit code."""
    failed = False
    locks: dict[str, dict[str, _Entry]] = {}
    for name, requirements in read_requirements((root / "pyproject.toml").read_text()).items():
        path = root / name
        extra = name.removeprefix(".ci/requirements-").removesuffix(".lock")
        lock = read_lock(path.read_text(), direct=extra in _WITHOUT_DEPENDENCIES) if path.exists() else {}
        differences = list(compare(requirements, lock))
        for other_name, other in locks.items():
            differences.extend(compare_versions(lock, other_name, other))
        locks[name] = lock
        for difference in differences:
            sys.stderr.write(f"{difference}\n")
        if differences:
            failed = True
            sys.stderr.write(f"{name} doesn't fit pyproject.toml. Run: make lock\n")
        else:
            sys.stdout.write(f"{name} fits pyproject.toml ({len(lock)} packages)\n")
    return int(failed)


def main(arguments: list[str]) -> int:
    """Check a directory, by default this one.

    ``--extra NAME`` prints an extra's requirements instead; ``--additions LOCK`` removes from a lock what
    ``requirements.lock`` holds.
    """
    if arguments[:1] == ["--extra"]:
        requirements = read_requirements(Path("pyproject.toml").read_text())[f".ci/requirements-{arguments[1]}.lock"]
        sys.stdout.write("".join(f"{requirement}\n" for requirement in requirements))
        return 0
    if arguments[:1] == ["--additions"]:
        path = Path(arguments[1])
        path.write_text(additions(path.read_text(), read_lock(Path(_LOCK).read_text(), direct=False)))
        return 0
    return check(Path(arguments[0] if arguments else "."))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
