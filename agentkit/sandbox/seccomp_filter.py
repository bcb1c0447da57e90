"""A seccomp filter: which system calls a process and its children may make. The worker makes it, once."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Sequence
from functools import cache

from agentkit.sandbox.syscall_numbers import (
    ARCHITECTURE_IDS,
    LAST_KNOWN,
    MACHINE,
    SHARED_UID_CALLS,
    SIGNAL_CALLS,
    allowed_numbers,
)

__all__ = ["filter_program"]

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in ``struct seccomp_data``; the low half of argument N is at ``_ARGUMENTS + 8 * N``."""

_NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX, which type into a terminal."""
_FCNTL_OWNER = (8, 15)
"""F_SETOWN and F_SETOWN_EX, which make the kernel signal any process of the same user, SIGKILL included."""
_IOCTL_OWNER = (0x8901, 0x8902)
"""FIOSETOWN and SIOCSPGRP, the same for sockets."""
_CLONE3 = 435
_X32_BIT = 0x40000000

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


def _error(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERROR | number)


_PERMITTED: Instruction = (_RETURN, 0, 0, _ALLOW)
_REFUSED = _error(errno.EPERM)


def _argument(index: int) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _refused_values(index: int, values: Sequence[int]) -> Sequence[Instruction]:
    """Return what refuses a call whose argument has one of ``values``, and allows it otherwise."""
    to_refused = range(len(values), 0, -1)
    compared = [(_JUMP_EQUAL, jump, 0, value) for jump, value in zip(to_refused, values, strict=True)]
    return (_argument(index), *compared, _PERMITTED, _REFUSED)


def _argument_rules() -> dict[str, Sequence[Instruction]]:
    """Return what decides on calls that are allowed with some arguments only. Each ends in a return."""
    own_process_only = (_argument(0), (_JUMP_EQUAL, 0, 1, 0), _PERMITTED, _REFUSED)
    return {
        "clone": (_argument(0), (_JUMP_SET, 0, 1, _NAMESPACE_FLAGS), _REFUSED, _PERMITTED),
        "fcntl": _refused_values(1, _FCNTL_OWNER),
        "ioctl": _refused_values(1, (*_TERMINAL_INPUT, *_IOCTL_OWNER)),
        "prlimit64": own_process_only,
        "sched_setaffinity": own_process_only,
        "setpriority": (
            _argument(0),
            (_JUMP_EQUAL, 0, 3, 0),
            _argument(1),
            (_JUMP_EQUAL, 0, 1, 0),
            _PERMITTED,
            _REFUSED,
        ),
    }


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return runs of numbers as pairs of the first, and the one after the last."""
    start = end = numbers[0]
    for number in numbers:
        if number > end:
            yield start, end
            start = number
        end = number + 1
    yield start, end


@cache
def filter_program(*, shares_uid: bool, signals: bool, machine: str = MACHINE) -> bytes:
    """Return the filter as an array of ``struct sock_filter``.

    Args:
        shares_uid: the code has the worker's user id and sees its files.
        signals: something else keeps signals inside of the sandbox.
        machine: ``os.uname().machine``.
    """
    refused = (SHARED_UID_CALLS if shares_uid else frozenset()) | (frozenset() if signals else SIGNAL_CALLS)
    allowed = allowed_numbers(refused, machine)
    rules = _argument_rules()
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, ARCHITECTURE_IDS[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_GREATER_EQUAL, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        _error(errno.ENOSYS),  # its flags are in memory, where a filter can't see them; programs use clone instead
    ]
    for name, rule in rules.items():
        program += [(_JUMP_EQUAL, 0, len(rule), allowed[name]), *rule]
    for start, end in _ranges(sorted(number for name, number in allowed.items() if name not in rules)):
        program += [(_JUMP_GREATER_EQUAL, 0, 2, start), (_JUMP_GREATER_EQUAL, 1, 0, end), _PERMITTED]
    program += [(_JUMP_GREATER_EQUAL, 0, 1, LAST_KNOWN + 1), _error(errno.ENOSYS), _REFUSED]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
