"""Run an MCP server as a child process, and end it with all its descendants when its client is gone.

``python -I -S stdio_guard_program.py PROGRAM [ARGUMENT...]`` exits as the program does, with 128 and more after a
signal. The program reads and writes the standard streams itself. The guard only watches whether standard input is
closed: the kernel does that however the client ends, also by ``kill -9``. Then the program has ``_GRACE_S`` to end by
itself, as long again after SIGTERM, and all that is left then is killed: also processes that have left its process
group or session, which on Linux become children of the guard. (Elsewhere only the process group is ended.)
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

__all__ = ["main"]

_GRACE_S = 2.0
"""Seconds from the end of standard input to SIGTERM, and from that to SIGKILL."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_IS_LINUX = sys.platform == "linux"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_MAX_KILL_ROUNDS = 1_000
_KILLED = b"[It did not end by itself, nor after SIGTERM: killed.]\n"


def main() -> None:
    """Run the program that the arguments name."""
    if _IS_LINUX:
        _set_process_option(_PR_SET_CHILD_SUBREAPER, 1)
    woken = _wake_by_signals()
    server = _start(sys.argv[1:])
    os.close(1)  # so that its end is seen when the server closes it
    code = _wait(server, woken)
    _kill_descendants(server)
    os._exit(code)


def _set_process_option(option: int, value: int) -> None:
    import ctypes  # takes longer to import than all else, and only Linux has it

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _wake_by_signals() -> int:
    """Return a descriptor that can be read after each SIGCHLD and SIGTERM."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return woken


def _start(command: list[str]) -> int:
    guard = os.getpid()
    server = os.fork()
    if server:
        return server
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if _IS_LINUX:
            _set_process_option(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)
        os.execvp(command[0], command)
    except OSError as error:
        _write_error(f"{command[0]}: {error.strerror}\n".encode(errors="replace"))
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE)


def _write_error(line: bytes) -> None:
    try:  # noqa: SIM105  # an import takes long
        os.write(2, line)
    except OSError:  # the client has gone, and nobody reads it
        pass


def _wait(server: int, woken: int) -> int:
    """Return the exit code of the server, after it has been ended if the client is gone."""
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(0, 0)  # POLLHUP and POLLERR only: what the client sends is for the server
    steps: list[int] = []
    deadline: float | None = None
    is_ending = False
    while True:
        ready = [descriptor for descriptor, _ in poll.poll(_poll_timeout_ms(deadline))]
        code = _reap(server)
        if code is not None:
            return code
        is_told = woken in ready and signal.SIGTERM in os.read(woken, 1_024)
        if not is_ending and (0 in ready or is_told):
            is_ending = True
            steps = [signal.SIGTERM, signal.SIGKILL]
            deadline = time.monotonic() + (0 if is_told else _GRACE_S)
            poll.unregister(0)
        elif deadline is not None and time.monotonic() >= deadline:
            if steps[0] == signal.SIGKILL:
                _write_error(_KILLED)
            _signal_server(server, steps.pop(0))
            deadline = time.monotonic() + _GRACE_S if steps else None


def _poll_timeout_ms(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic()) * 1_000 + 1


def _reap(server: int) -> int | None:
    """Take note of all children that have ended; return the server's exit code if it is among them."""
    code = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == server:
                status = os.waitstatus_to_exitcode(ended[1])
                code = status if status >= 0 else 128 - status
    except ChildProcessError:
        pass
    return code


def _signal_server(server: int, number: int) -> None:
    """Signal a process that has not been waited for, and its group."""
    for send in (os.killpg, os.kill):
        try:
            send(server, number)
        except (ProcessLookupError, PermissionError):  # macOS refuses to signal a group of zombies
            continue


def _kill_group(group: int) -> None:
    try:  # noqa: SIM105  # an import takes long
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _kill_descendants(server: int) -> None:
    """Kill what the server has left: the children of a process that ends become children of this one."""
    _kill_group(server)
    for _ in range(_MAX_KILL_ROUNDS if _IS_LINUX else 0):
        children = _children()
        if not children:
            return
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
        _reap(server)


def _children() -> list[int]:
    own = os.getpid()
    with open(f"/proc/self/task/{own}/children", "rb") as listed:
        return [int(child) for child in listed.read().split()]


if __name__ == "__main__":
    main()
