"""What code in a sandbox attempts, and may not manage: each attempt in each tier."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkit.interfaces import SandboxedProgram, SandboxLimits
from agentkit.sandbox.confinement import Confinement
from agentkit.sandbox.local_sandbox import LocalSandbox
from agentkit.sandbox.scratch_space import ScratchSpace
from tests.sandbox.conftest import Run, processes_of

PRELUDE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == "aarch64"
def call(x86, arm, *arguments):
    result = libc.syscall(arm if ARM else x86, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def attempt(function, *arguments):
    try:
        result = function(*arguments)
    except (OSError, ValueError) as error:
        print("HELD", error)
    else:
        print("ESCAPED", result)
"""

ATTEMPTS = {
    "tcp": "import socket; attempt(socket.create_connection, ('127.0.0.1', PORT), 2)",
    "tcp_listener": "import socket; attempt(socket.create_server, ('127.0.0.1', 0))",
    "udp": "import socket; attempt(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)",
    "raw_socket": "import socket; attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)",
    "packet_socket": "import socket; attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "import socket; attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)",
    "vsock": "import socket; attempt(socket.socket, 40, socket.SOCK_STREAM)",
    "unix_socket": "import socket; s = attempt(socket.socket, socket.AF_UNIX)",
    "name_lookup": "import socket; attempt(socket.getaddrinfo, 'example.com', 80)",
    "environment_of_pid_1": "attempt(lambda: open('/proc/1/environ').read())",
    "environment_of_the_worker": "attempt(lambda: open('/proc/WORKER/environ').read())",
    "command_line_of_the_worker": "attempt(lambda: open('/proc/WORKER/cmdline').read())",
    "memory_of_the_worker": "attempt(lambda: open('/proc/WORKER/mem', 'rb').read(1))",
    "working_directory_of_the_worker": "attempt(os.listdir, '/proc/WORKER/cwd')",
    "descriptors_of_the_parent": "attempt(os.open, f'/proc/{os.getppid()}/fd/1', os.O_WRONLY)",
    "root_of_pid_1": "attempt(os.listdir, '/proc/1/root')",
    "ptrace_pid_1": "attempt(call, 101, 117, 16, 1, 0, 0)",
    "ptrace_itself": "attempt(call, 101, 117, 0, 0, 0, 0)",
    "read_memory_of_another": "attempt(call, 310, 270, WORKER, 0, 0, 0, 0, 0)",
    "take_a_descriptor_of_another": "attempt(lambda: call(438, 438, os.pidfd_open(WORKER), 0, 0))",
    "signal_the_worker": "attempt(os.kill, WORKER, 0)",
    "signal_the_parent": "attempt(os.kill, os.getppid(), 15)",
    "signal_a_process_of_another_user": "attempt(os.kill, VICTIM, 9)",
    "queue_a_signal": "attempt(call, 129, 138, VICTIM, 10, 0)",
    "limits_of_the_worker": "import resource; attempt(resource.prlimit, WORKER, resource.RLIMIT_NOFILE, (10, 10))",
    "priority_of_the_worker": "attempt(os.setpriority, os.PRIO_PROCESS, WORKER, 19)",
    "processors_of_the_worker": "attempt(os.sched_setaffinity, WORKER, {0})",
    "mount": "attempt(call, 165, 40, b'none', b'/tmp', b'tmpfs', 0, None)",
    "unmount": "attempt(call, 166, 39, b'/usr', 2)",
    "new_mount_api": "attempt(call, 430, 430, b'tmpfs', 0)",
    "pivot_root": "attempt(call, 155, 41, b'.', b'.')",
    "chroot": "attempt(os.chroot, '.')",
    "user_namespace": "attempt(call, 272, 97, 0x10000000)",
    "network_namespace": "attempt(call, 272, 97, 0x40000000)",
    "clone_into_a_namespace": "attempt(call, 56, 220, 0x10000000 | 17, 0, 0, 0, 0)",
    "clone3": "attempt(call, 435, 435, (ctypes.c_uint64 * 8)(0x10000000), 64)",
    "join_a_namespace": "attempt(call, 308, 268, 0, 0)",
    "character_device": "attempt(os.mknod, 'device', 0o20600, os.makedev(1, 1))",
    "block_device": "attempt(os.mknod, 'device', 0o60600, os.makedev(254, 0))",
    "disk": "attempt(lambda: [open(p, 'rb').read(1) for p in ('/dev/vda', '/dev/sda', '/dev/mem')])",
    "kernel_memory": "attempt(lambda: open('/proc/kcore', 'rb').read(1))",
    "kernel_messages": "attempt(lambda: open('/dev/kmsg').read(1))",
    "terminal": "attempt(lambda: open('/dev/tty', 'w').write('x'))",
    "terminal_input": "import fcntl; attempt(fcntl.ioctl, 1, 0x5412, b'x')",
    "bpf": "attempt(call, 321, 280, 0, 0, 0)",
    "io_uring": "attempt(call, 425, 425, 1, (ctypes.c_uint8 * 120)())",
    "performance_events": "attempt(call, 298, 241, (ctypes.c_uint8 * 128)(), 0, -1, -1, 0)",
    "user_faults": "attempt(call, 323, 282, 0)",
    "session_keyring": "attempt(call, 250, 219, 0, -3, 1)",
    "add_a_key": "attempt(call, 248, 217, b'user', b'name', b'x', 1, -3)",
    "shared_memory": "attempt(call, 29, 194, 1, 4096, 0o1666)",
    "message_queue": "attempt(call, 68, 186, 1, 0o1666)",
    "memory_file": "attempt(call, 319, 279, b'x', 0)",
    "file_handles": "attempt(call, 304, 265, -100, (ctypes.c_uint8 * 64)(), 0)",
    "kernel_module": "attempt(call, 175, 105, b'', 0, b'')",
    "reboot": "attempt(call, 169, 142, 0xfee1dead, 672274793, 0, 0)",
    "set_the_clock": "import time; attempt(time.clock_settime, time.CLOCK_REALTIME, 0)",
    "host_name": "attempt(os.sethostname if hasattr(os, 'sethostname') else __import__('socket').sethostname, 'x')",
    "become_root": "attempt(os.setuid, 0)",
    "root_group": "attempt(os.setgid, 0)",
    "root_groups": "attempt(os.setgroups, [0])",
    "raise_a_limit": "import resource; attempt(resource.setrlimit, resource.RLIMIT_NPROC, (100000, 100000))",
    "write_to_usr": "attempt(lambda: open('/usr/bin/escaped', 'w'))",
    "write_to_etc": "attempt(lambda: open('/etc/escaped', 'w'))",
    "write_to_the_root": "attempt(os.mkdir, '/escaped')",
    "write_into_the_interpreter": "attempt(lambda: open(os.path.join(sys.prefix, 'bin', 'escaped'), 'w'))",
    "mode_of_a_file_of_the_interpreter": "attempt(os.chmod, os.__file__, 0o644)",
    "times_of_a_file_of_the_interpreter": "attempt(os.utime, os.__file__)",
    "truncate_a_file_of_the_interpreter": "attempt(os.truncate, os.__file__, 0)",
    "password_file": "attempt(lambda: open('/etc/shadow').read())",
    "users": "attempt(lambda: open('/etc/passwd').read())",
    "home_of_the_worker": "attempt(os.listdir, 'HOME')",
    "file_of_another_task": "attempt(lambda: open('OTHER/secret').read())",
    "directory_of_other_tasks": "attempt(os.listdir, 'SPACE')",
    "write_beside_another_task": "attempt(lambda: open('OTHER/x', 'w'))",
    "link_to_a_secret": "os.symlink('OTHER/secret', 'link'); attempt(lambda: open('link').read())",
    "hard_link_to_a_secret": "attempt(os.link, 'OTHER/secret', 'hard')",
    "rename_out_of_scratch": "open('mine', 'w').close(); attempt(os.rename, 'mine', '/usr/mine')",
    "open_by_parent_directories": "attempt(lambda: open('../' * 20 + 'etc/shadow').read())",
    "sandbox_of_the_kernel_again": "attempt(call, 101, 117, 0x4200, 1, 0, 0)",
}


@pytest.fixture(scope="module")
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    assert process.poll() is None, "a process outside was ended"
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def other_task() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "secret").write_text("the secret of another task")
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_no_attempt_succeeds(
    run: Run, space: ScratchSpace, listener: int, victim: subprocess.Popen[bytes], other_task: Path, name: str
) -> None:
    values = {
        "PORT": listener,
        "WORKER": os.getpid(),
        "VICTIM": victim.pid,
        "OTHER": other_task,
        "SPACE": space.directory,
        "HOME": Path.home(),
    }
    code = ATTEMPTS[name]
    for placeholder, value in values.items():
        code = code.replace(placeholder, str(value))
    result = await run(f"{PRELUDE}\n{code}")
    assert result.stdout.head.startswith("HELD"), (result.stdout.head, result.stderr.head)
    assert "secret of another" not in result.stdout.head


async def test_the_environment_has_nothing_of_the_workers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_API_KEY", "sk-very-secret")
    code = (
        "import os\nprint(os.environ)\nfor p in ('self', 'thread-self', '1'):\n"
        " try: print(open(f'/proc/{p}/environ').read())\n except OSError: pass"
    )
    result = await run(code)
    assert result.exit_code == 0
    assert "very-secret" not in result.stdout.head
    assert "PATH" in result.stdout.head


async def test_no_descriptor_is_inherited(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    inheritable = os.open(secret, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    try:
        result = await run(
            "import os\nfound = []\nfor d in range(3, 256):\n"
            " try: os.fstat(d)\n except OSError: continue\n found.append(d)\nprint(found)"
        )
    finally:
        os.close(inheritable)
    assert result.stdout.head == "[]\n"


async def test_the_input_is_empty(run: Run) -> None:
    assert (await run("import sys; print(repr(sys.stdin.read()))")).stdout.head == "''\n"


async def test_programs_with_the_setuid_bit_gain_nothing(run: Run) -> None:
    code = "for p in su mount umount passwd newgrp chsh; do $p --help >/dev/null 2>&1; done; su root -c id; id -u"
    result = await run(code, kind="shell")
    assert "uid=0(root)" not in result.stdout.head
    assert result.stdout.head.splitlines()[-1] != "0" or os.getuid() != 0


async def test_a_link_that_code_made_is_not_followed_outside(run: Run, other_task: Path) -> None:
    def check(directory: Path) -> None:
        assert (directory / "link").is_symlink()

    await run(f"import os; os.symlink('{other_task}/secret', 'link')", then=check)


async def test_a_process_that_left_its_session_is_ended(run: Run, space: ScratchSpace) -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n"
        "  os.close(1); os.close(2)\n  os.chdir('/')\n  exec('while True: time.sleep(0.05)')\n os._exit(0)\n"
        "print('left')"
    )
    result = await run(code)
    assert result.stdout.head == "left\n"
    assert processes_of(space) == set()


async def test_other_tasks_can_not_be_signalled(run: Run) -> None:
    result = await run("import os\ntry: os.kill(-1, 9)\nexcept OSError as e: print(e)\nprint('alive')")
    assert "alive" in result.stdout.head or result.exit_code == 137


@pytest.mark.parametrize(
    "name",
    [
        *("tcp", "udp", "unix_socket", "environment_of_the_worker", "command_line_of_the_worker", "signal_the_worker"),
        *("memory_file", "file_of_another_task", "link_to_a_secret"),
    ],
)
async def test_without_a_confinement_the_harmless_ones_among_the_attempts_succeed(
    space: ScratchSpace, listener: int, other_task: Path, name: str
) -> None:
    values = {"PORT": listener, "WORKER": os.getpid(), "OTHER": other_task}
    code = ATTEMPTS[name]
    for placeholder, value in values.items():
        code = code.replace(placeholder, str(value))
    async with LocalSandbox(Confinement("none", 0), "", space).workspace() as workspace:
        program = SandboxedProgram(kind="python", code=f"{PRELUDE}\n{code}")
        result = await workspace.run(program, SandboxLimits(wall_s=20))
    assert result.stdout.head.startswith("ESCAPED"), "else the attempt proves nothing"
