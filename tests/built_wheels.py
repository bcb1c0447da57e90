"""Opspawn's wheel, a small wheel of another project, and virtual environments to install them in."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_opspawn(directory: Path) -> Path:
    """Build Opspawn's wheel in ``directory``."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = directory.glob("*.whl")
    return path


def build_small(directory: Path, name: str, files: Mapping[str, str]) -> Path:
    """Build a wheel of these files, with their paths and texts."""
    path = directory / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, **metadata}.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, *metadata, f"{info}/RECORD"]))
    return path


@dataclass(frozen=True, slots=True)
class VirtualEnvironment:
    """A virtual environment without pip, in which pip of this one installs."""

    directory: Path

    @classmethod
    def create(cls, directory: Path) -> VirtualEnvironment:
        venv.create(directory, with_pip=False, symlinks=True)
        return cls(directory)

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    @property
    def site_packages(self) -> Path:
        (path,) = self.directory.glob("lib/python3*/site-packages")
        return path

    def pip(self, *arguments: str) -> None:
        """Run pip, without an index."""
        command = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "--disable-pip-version-check"]
        subprocess.run([*command, *arguments], check=True, capture_output=True)

    def install(self, wheel: Path) -> None:
        self.pip("install", "--no-deps", "--no-index", str(wheel))

    def add_dependencies(self) -> None:
        """Let it import what this one has installed, but not this checkout: pip would see that, so call it last."""
        (self.site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def run(self, *command: str, directory: Path) -> str:
        """Run a command of its ``bin``, and return its output."""
        program, *arguments = command
        result = subprocess.run(
            [str(self.bin / program), *arguments], cwd=directory, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout
