"""Landlock rules: which files the process and its children can open or change from now on. They can't be undone."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # an import at run time takes as long as all else here
    from collections.abc import Iterable

__all__ = ["MIN_ALONE_ABI", "SCOPE_ABI", "landlock_abi", "restrict_files"]

MIN_ALONE_ABI = 3
"""Of Linux 6.2, the first that covers ``truncate``: from it on Landlock can be the only limit on files."""
SCOPE_ABI = 6
"""Of Linux 6.12, the first that keeps signals and abstract sockets inside."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
_ABI_OF_KERNEL = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHARACTER_DEVICE, _MAKE_SOCKET, _MAKE_BLOCK_DEVICE = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_ALL_NETWORK = 0b11
_ALL_SCOPES = 0b11

_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Return the version of the kernel's Landlock; 0: it has none, or it is off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_ABI_OF_KERNEL))))


def restrict_files(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], abi: int) -> None:
    """Allow to read and execute what is below ``readable``, to do anything below ``writable``, and to read and write
    ``devices``; and no TCP. Paths that don't exist are left out.

    Raises:
        OSError: the kernel refuses.
    """
    handled = _RIGHTS_BY_ABI[min(abi, 5)]
    attributes = struct.pack("=QQQ", handled, _ALL_NETWORK if abi >= 4 else 0, _ALL_SCOPES if abi >= SCOPE_ABI else 0)
    size = 24 if abi >= SCOPE_ABI else 16 if abi >= 4 else 8
    ruleset = _call(_CREATE_RULESET, ctypes.c_char_p(attributes), ctypes.c_size_t(size), ctypes.c_uint(0))
    try:
        for paths, rights in (
            (readable, _EXECUTE | _READ_FILE | _READ_DIR),
            (writable, handled & ~(_MAKE_CHARACTER_DEVICE | _MAKE_BLOCK_DEVICE | _MAKE_SOCKET)),
            (devices, _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEVICE),
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        if _libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _FILE_RIGHTS
        rule = ctypes.c_char_p(struct.pack("=Qi", rights, descriptor))
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint(0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno() or errno.EINVAL
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return result
