"""Run a program in a child process, and end all processes that it started: also those that left its session."""

from __future__ import annotations

import ctypes
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:  # an import at run time takes as long as all else here
    from collections.abc import Callable, Iterator

__all__ = ["count_threads", "descendant_ids", "run_supervised"]

_PR_SET_CHILD_SUBREAPER = 36
_SIGKILL = 9


def run_supervised(run: Callable[[], None], status: int) -> None:
    """Call ``run`` in a child process and exit as it does; when standard input is closed, end it.

    ``status`` is the descriptor on which the child reports. In the child, ``run`` may return.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        run()
        return
    os.close(status)
    code = _wait(child)
    _end_all()
    os._exit(code)


def _wait(child: int) -> int:
    """Return the exit code of ``child``, 128 and more after a signal; or 137 when standard input is closed first."""
    poll = select.poll()
    descriptor = os.pidfd_open(child)
    poll.register(descriptor, select.POLLIN)
    poll.register(0, select.POLLIN)
    if all(ready != descriptor for ready, _ in poll.poll()):
        return 128 + _SIGKILL
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _end_all() -> None:
    """Kill the descendants of this process until there are none: what a process starts before it dies is one, too."""
    while _has_children():
        for process in descendant_ids(os.getpid()):
            try:
                os.kill(process, _SIGKILL)
            except ProcessLookupError:
                continue
        os.waitpid(-1, 0)  # each that was found has been killed, so one will end


def _has_children() -> bool:
    """Return whether there are any: the children of a process that ends become children of this one."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendant_ids(root: int) -> Iterator[int]:
    """Return the ids of all processes that ``root`` and its descendants started, and that have not ended."""
    children: dict[int, list[int]] = {}
    for process in _process_ids():
        fields = _stat_fields(process)
        if fields:
            children.setdefault(int(fields[1]), []).append(process)
    waiting = [root]
    while waiting:
        found = children.get(waiting.pop(), [])
        yield from found
        waiting += found


def count_threads(user_id: int) -> int:
    """Return the number of threads of all processes of a user, as the kernel counts them for its limit."""
    count = 0
    for process in _process_ids():
        try:
            owner = os.stat(f"/proc/{process}").st_uid
        except OSError:
            continue
        fields = _stat_fields(process) if owner == user_id else []
        count += int(fields[17]) if fields else 0
    return count


def _process_ids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat_fields(process: int) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` from the state on; none when the process has ended."""
    try:
        descriptor = os.open(f"/proc/{process}/stat", os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(descriptor, 2048).rpartition(b")")[2].split()
    except OSError:
        return []
    finally:
        os.close(descriptor)
