"""The filter decides as it is meant to, on both architectures: it is run here, instruction by instruction."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from agentkit.sandbox.seccomp_filter import filter_program
from agentkit.sandbox.syscall_numbers import ARCHITECTURE_IDS, SHARED_UID_CALLS, SIGNAL_CALLS, allowed_numbers

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
REFUSE, MISSING = ERROR | errno.EPERM, ERROR | errno.ENOSYS
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
MACHINES = pytest.mark.parametrize("machine", ARCHITECTURE_IDS)
NEVER = {
    "x86_64": {
        "socket": 41,
        "ptrace": 101,
        "mount": 165,
        "unshare": 272,
        "bpf": 321,
        "io_uring_setup": 425,
        "mknod": 133,
    },
    "aarch64": {
        "socket": 198,
        "ptrace": 117,
        "mount": 40,
        "unshare": 97,
        "bpf": 280,
        "io_uring_setup": 425,
        "mknodat": 33,
    },
}


def decide(program: bytes, number: int, *arguments: int, architecture: int) -> int:
    """Return what the kernel would do about a call."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    instructions = [struct.unpack_from("=HBBI", program, offset) for offset in range(0, len(program), 8)]
    position, loaded = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[position]
        position += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                position += if_true if loaded == operand else if_false
            case 0x35:
                position += if_true if loaded >= operand else if_false
            case 0x45:
                position += if_true if loaded & operand else if_false
            case 0x06:
                return int(operand)


@MACHINES
def test_exactly_the_listed_calls_are_allowed(machine: str) -> None:
    program = filter_program(shares_uid=False, signals=True, machine=machine)
    allowed = set(allowed_numbers(machine=machine).values())
    for number in range(471):
        if number == 435:
            continue
        expected = ALLOW if number in allowed else REFUSE
        assert decide(program, number, architecture=ARCHITECTURE_IDS[machine]) == expected, number


@MACHINES
def test_dangerous_calls_are_refused(machine: str) -> None:
    program = filter_program(shares_uid=False, signals=True, machine=machine)
    for number in NEVER[machine].values():
        assert decide(program, number, architecture=ARCHITECTURE_IDS[machine]) == REFUSE


@MACHINES
def test_arguments_decide_on_some_calls(machine: str) -> None:
    program = filter_program(shares_uid=False, signals=True, machine=machine)
    numbers = allowed_numbers(machine=machine)

    def ask(name: str, *arguments: int) -> int:
        return decide(program, numbers[name], *arguments, architecture=ARCHITECTURE_IDS[machine])

    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask("clone", flag | 17) == REFUSE
    assert ask("clone", 0x3D0F00) == ALLOW  # a thread
    assert [ask("ioctl", 0, request) for request in (0x5412, 0x541C, 0x5401)] == [REFUSE, REFUSE, ALLOW]
    assert [ask("ioctl", 0, request) for request in (0x8901, 0x8902)] == [REFUSE, REFUSE]  # who gets signals
    assert [ask("fcntl", 0, command) for command in (8, 15, 2, 1030)] == [REFUSE, REFUSE, ALLOW, ALLOW]
    assert [ask("prlimit64", 0), ask("prlimit64", 1)] == [ALLOW, REFUSE]
    assert [ask("sched_setaffinity", 0), ask("sched_setaffinity", 1)] == [ALLOW, REFUSE]
    assert [ask("setpriority", 0, 0), ask("setpriority", 0, 1), ask("setpriority", 2, 0)] == [ALLOW, REFUSE, REFUSE]


@MACHINES
def test_signals_and_metadata_are_refused_where_nothing_else_protects_them(machine: str) -> None:
    program = filter_program(shares_uid=True, signals=False, machine=machine)
    numbers = allowed_numbers(machine=machine)
    for name in (SIGNAL_CALLS | SHARED_UID_CALLS) & numbers.keys():
        assert decide(program, numbers[name], architecture=ARCHITECTURE_IDS[machine]) == REFUSE, name


@MACHINES
def test_other_architectures_end_the_process_and_later_calls_do_not_exist(machine: str) -> None:
    program = filter_program(shares_uid=False, signals=True, machine=machine)
    own = ARCHITECTURE_IDS[machine]
    assert decide(program, 0, architecture=0x40000003) == KILL  # 32 bits
    assert decide(program, 0x40000000 | 1, architecture=own) == KILL  # x32
    assert decide(program, 435, architecture=own) == MISSING  # clone3
    assert decide(program, 600, architecture=own) == MISSING


@MACHINES
def test_the_numbers_are_the_kernels(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"there is no {header} here")
    names = {"3264_fstatat": "newfstatat"}
    found = {
        names.get(name, name.removeprefix("3264_")): int(number)
        for name, number in re.findall(r"#define __NR_?(\w+)\s+(\d+)", header.read_text())
    }
    for name, number in allowed_numbers(machine=machine).items():
        if name in found or name != "fchmodat2":  # which is newer than some headers
            assert found[name] == number, name
