"""CPU time that tests can bound on any machine: compared with work of a known amount in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["relative_cpu_s"]

_KNOWN_WORK_S = 0.02
"""CPU time of ``_known_work`` on the machine whose seconds the limits of tests are."""


def relative_cpu_s(work: Callable[[], object]) -> float:
    """Do the work; return its CPU time in seconds of a machine with two ordinary cores of 2026.

    A slow machine, or one that measures coverage, takes longer for the known amount of work, too.
    """
    known_s = min(_cpu_s(_known_work) for _ in range(3))
    return _cpu_s(work) * _KNOWN_WORK_S / known_s


def _cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _known_work() -> None:
    words: dict[str, int] = {}
    for number in range(60_000):
        word = f"{number % 1_000:04}"
        words[word] = words.get(word, 0) + len(word)
