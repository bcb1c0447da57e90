"""How a program is confined: the command that starts its process, and the job that this process is given."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentkit.interfaces import SandboxedProgram, SandboxLimits, SandboxTier
from agentkit.sandbox.inside import confined_process
from agentkit.sandbox.inside.landlock_rules import SCOPE_ABI
from agentkit.sandbox.inside.sandbox_job import SandboxJob
from agentkit.sandbox.seccomp_filter import filter_program

__all__ = ["Confinement", "ScratchPaths", "interpreter_paths", "is_open_to_all", "program_environment"]

_INSIDE = Path(confined_process.__file__).parent
_SEEN_DIRECTORY = "/scratch"
"""Where a program with a mount namespace sees its scratch directory."""
_SEEN_INSIDE = "/opspawn"
_SHM_BYTES = 64 * 2**20

_SYSTEM_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/mime.types", "/etc/fonts")
"""Of /etc only what programs need, and nobody keeps a secret in."""
_PREFIX_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")


@dataclass(frozen=True)
class ScratchPaths:
    """The two directories that a program can write to."""

    files: Path
    """Its current directory."""
    temporary: Path
    """Its directory for temporary files."""


@dataclass(frozen=True)
class Confinement:
    """What confines the programs of a process; the same for all of them."""

    tier: SandboxTier
    landlock: int
    """The kernel's ABI of Landlock; 0: not used."""
    bwrap: str | None = None
    """The bubblewrap command, for that tier."""
    keeps_reading: bool = False
    """The interpreter or the scratch directory can be entered by root alone."""

    @property
    def is_isolated(self) -> bool:
        """Whether programs have namespaces of their own."""
        return self.bwrap is not None

    def command(self, paths: ScratchPaths, *, as_root: bool, with_packages: bool) -> Sequence[str]:
        """Return the command that starts the process of a program."""
        directory = _SEEN_INSIDE if self.is_isolated else str(_INSIDE.parent)
        start = f"import sys; sys.path.insert(0, {directory!r}); from inside.confined_process import main; main()"
        options = ("-I",) if with_packages else ("-I", "-S")
        python = (sys.executable, *options, "-X", "utf8", "-c", start)
        return (*self._bubblewrap(paths, as_root=as_root), *python) if self.bwrap is not None else python

    def job(
        self, program: SandboxedProgram, paths: ScratchPaths, limits: SandboxLimits, *, user_id: int | None, status: int
    ) -> SandboxJob:
        """Return the job of the process; ``status`` is the descriptor on which it reports its confinement."""
        seen = self._seen(paths)
        return {
            "kind": program.kind,
            "code": program.code,
            "directory": str(seen.files),
            "readable": [*_SYSTEM_DIRECTORIES, *_SYSTEM_FILES, *interpreter_paths(), *(["/proc"] * self.is_isolated)],
            "writable": [str(seen.files), str(seen.temporary), *(["/dev/shm"] * self.is_isolated)],
            "status": status,
            "user_id": user_id,
            "keeps_reading": self.keeps_reading and not self.is_isolated,
            "supervised": not self.is_isolated,
            "landlock": self.landlock,
            "filter": self._filter(shares_uid=user_id is None),
            "isolated": self.is_isolated,
            "processes": limits.processes,
            "memory_bytes": limits.memory_bytes,
            "cpu_s": math.ceil(limits.wall_s) + 1,
            "file_bytes": limits.disk_bytes,
            "open_files": limits.open_files,
        }

    def _filter(self, *, shares_uid: bool) -> bytes | None:
        """Return the seccomp filter of a program; ``shares_uid``: it has the worker's user id."""
        if self.tier == "none":
            return None
        keeps_signals = self.is_isolated or self.landlock >= SCOPE_ABI or not shares_uid
        return filter_program(shares_uid=shares_uid and not self.is_isolated, signals=keeps_signals)

    def environment(self, paths: ScratchPaths) -> Mapping[str, str]:
        """Return all environment variables of the program's process."""
        return program_environment(self._seen(paths))

    def _seen(self, paths: ScratchPaths) -> ScratchPaths:
        """Return the directories as the program sees them."""
        return ScratchPaths(Path(_SEEN_DIRECTORY), Path("/tmp")) if self.is_isolated else paths

    def _bubblewrap(self, paths: ScratchPaths, *, as_root: bool) -> Iterable[str]:
        seen = self._seen(paths)
        yield from (str(self.bwrap), "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
        yield from ("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "sandbox")
        if as_root:  # its own process becomes another user, and has no capability then
            yield from ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        else:
            yield from ("--unshare-user", "--disable-userns")
        for directory in map(Path, _SYSTEM_DIRECTORIES):
            if directory.is_symlink():
                yield from ("--symlink", os.readlink(directory), str(directory))
            elif directory.is_dir():
                yield from ("--ro-bind", str(directory), str(directory))
        # Before the interpreter, which may be below /tmp.
        yield from ("--bind", str(paths.files), str(seen.files), "--bind", str(paths.temporary), str(seen.temporary))
        inside = f"{_SEEN_INSIDE}/{_INSIDE.name}"
        bound = {**{path: path for path in (*_SYSTEM_FILES, *interpreter_paths())}, inside: str(_INSIDE)}
        for parent in _parents(bound):  # bubblewrap would make them for their owner alone
            yield from ("--perms", "0755", "--dir", parent)
        for seen_path, path in bound.items():
            yield from ("--ro-bind-try", path, seen_path)
        yield from ("--proc", "/proc", "--dev", "/dev")
        yield from ("--perms", "1777", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm")
        yield from ("--remount-ro", "/", "--chdir", "/", "--")


def _parents(paths: Iterable[str]) -> Sequence[str]:
    """Return the directories above ``paths``, each one after its own."""
    parents = {parent for path in paths for parent in Path(path).parents if str(parent) not in ("/", "/tmp")}
    return [str(parent) for parent in sorted(parents, key=lambda parent: len(parent.parts))]


def program_environment(seen: ScratchPaths) -> Mapping[str, str]:
    """Return the environment of a program: nothing of this process's."""
    directories = [f"{sys.prefix}/bin", "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        "PATH": ":".join(dict.fromkeys(directories)),
        "HOME": str(seen.files),
        "TMPDIR": str(seen.temporary),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Each thread takes address space, which is limited.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
    }


def interpreter_paths() -> Sequence[str]:
    """Return the directories of the interpreter and its packages, without those below ``/usr``."""
    prefixes = dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix))
    outside = [prefix for prefix in prefixes if Path(prefix).parts[:2] != ("/", "usr")]
    return [str(Path(prefix) / part) for prefix in outside for part in _PREFIX_PARTS]


def is_open_to_all(path: Path) -> bool:
    """Return whether every user may enter a directory: its parents may be private."""
    absolute = path.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (absolute, *absolute.parents) if part.is_dir())
