"""Confine this process, then run a program in it. The confinement can't be undone from within.

The ``SandboxJob`` is read from standard input. Once the process is confined, and before it runs the program, it writes
``CONFINED`` to the descriptor ``status``; a failure before is written there instead, and nothing is run.

Few modules are imported: each costs as much as all of the confinement.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource

from .descendants import count_threads, run_supervised
from .landlock_rules import landlock_abi, restrict_files
from .user_program import run_python, run_shell

TYPE_CHECKING = False
if TYPE_CHECKING:  # an import at run time takes as long as all else here
    from .sandbox_job import SandboxJob

__all__ = ["CONFINED", "main"]

CONFINED = b"confined\n"

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_OUT_OF_MEMORY_SCORE = b"1000"
"""The kernel ends these processes first when memory runs out."""
_NICENESS = 5
_RLIMIT_MSGQUEUE = 12

_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_CAP_DAC_READ_SEARCH = 2
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522


def main() -> None:
    """Run the job. It returns when Python code has ended normally."""
    job = _read_job()
    os.nice(_NICENESS)
    _write("/proc/self/oom_score_adj", _OUT_OF_MEMORY_SCORE)
    if job["supervised"]:
        run_supervised(lambda: _run(job), job["status"])
    else:
        _run(job)


def _run(job: SandboxJob) -> None:
    try:
        _replace_input()
        _confine(job)
    except Exception as error:  # nothing is run, and the worker reports it
        os.write(job["status"], f"{type(error).__name__}: {error}\n".encode(errors="replace"))
        os._exit(1)
    os.write(job["status"], CONFINED)
    os.close(job["status"])
    (run_python if job["kind"] == "python" else run_shell)(job["code"])


def _read_job() -> SandboxJob:
    data = b""
    length = int.from_bytes(os.read(0, 4), "big")
    while len(data) < length:
        part = os.read(0, length - len(data))
        if not part:
            os._exit(1)
        data += part
    job: SandboxJob = marshal.loads(data)
    return job


def _replace_input() -> None:
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _confine(job: SandboxJob) -> None:
    shares_uid = job["user_id"] is None
    _limit(job, counts_others=shares_uid and not job["isolated"])
    if job["user_id"] is not None:
        _become(job["user_id"], keeps_reading=job["keeps_reading"])
    os.chdir(job["directory"])
    abi = landlock_abi() if job["landlock"] else 0
    if abi < job["landlock"]:
        raise OSError(f"Landlock has ABI {abi}, expected {job['landlock']}")
    if abi:
        restrict_files(job["readable"], job["writable"], _DEVICES, abi)
    if job["filter"] is not None:
        _install_filter(job["filter"])


def _limit(job: SandboxJob, *, counts_others: bool) -> None:
    """Set the limits of each process. That of processes counts all of the user's, so the others' are added."""
    others = count_threads(os.getuid()) if counts_others else 0
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, job["cpu_s"]),
        (resource.RLIMIT_FSIZE, job["file_bytes"]),
        (resource.RLIMIT_NOFILE, job["open_files"]),
        (resource.RLIMIT_NPROC, others + job["processes"]),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_MEMLOCK, 65_536),
        (_RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (limit, limit))


def _become(user_id: int, *, keeps_reading: bool) -> None:
    """Become another user, without capabilities or with one.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if keeps_reading and libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "keep capabilities")
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)
    if keeps_reading:
        _keep_only(libc, _CAP_DAC_READ_SEARCH)


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    """Drop all capabilities but one, and let programs that are executed have it."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    bit = 1 << capability
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    number = _CAPSET[os.uname().machine]
    if libc.syscall(number, header, data) or libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0):
        raise OSError(ctypes.get_errno(), "drop capabilities")


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _install_filter(program: bytes) -> None:
    """Apply a seccomp filter to this process for good, and forbid it to gain privileges.

    Raises:
        OSError: the kernel has no seccomp filters.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    argument = ctypes.byref(_FilterProgram(len(program) // 8, program))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, argument, 0, 0):
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def _write(path: str, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError:  # no /proc
        return
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
