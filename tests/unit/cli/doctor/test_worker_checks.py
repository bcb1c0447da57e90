"""Which workers poll and which are gone, by Temporal's clock. ``tests/integration`` asks real workers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from activities.temporal.task_queue_pollers import Poller
from activities.worker.worker_description import WorkerDescription
from cli.doctor.worker_checks import (
    ExpectedWorkers,
    encryption_findings,
    poller_findings,
    sandbox_findings,
    secret_findings,
)

YEARS_FROM_NOW = datetime(2040, 1, 1, tzinfo=UTC)
"""By Temporal's clock, which isn't ours."""
EXPECTED = ExpectedWorkers("mine", "app-1", "opspawn worker --app-dir app")


def poller(identity: str, age_s: float) -> Poller:
    return Poller(identity, YEARS_FROM_NOW - timedelta(seconds=age_s))


def test_a_worker_that_polled_within_a_long_poll_is_listed() -> None:
    (workers,) = poller_findings([poller("1@elsewhere/app-1", 65)], YEARS_FROM_NOW, EXPECTED)

    assert (workers.status, workers.detail) == ("ok", "1 on task queue 'mine': 1@elsewhere/app-1")


def test_a_worker_that_polled_longer_ago_is_shown_as_dead_and_counts_for_nothing() -> None:
    workers, dead = poller_findings([poller("1@elsewhere/app-1", 95)], YEARS_FROM_NOW, EXPECTED)

    assert (workers.status, workers.detail) == ("missing", "none polls task queue 'mine'")
    assert workers.remedies == ("opspawn worker --app-dir app",)
    assert (dead.subject, dead.status) == ("Worker 1@elsewhere/app-1", "note")
    assert dead.detail.startswith("dead: it last polled 95 s ago by Temporal's clock; a poll lasts less")


def test_a_worker_whose_process_has_ended_is_dead_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(30)
    host = socket.gethostname()
    pollers = [poller(f"{ended.pid}@{host}/app-1", 5), poller(f"{os.getpid()}@{host}/app-1", 5)]

    workers, dead = poller_findings(pollers, YEARS_FROM_NOW, EXPECTED)

    assert workers.detail == f"1 on task queue 'mine': {os.getpid()}@{host}/app-1"
    assert "last polled 5 s ago by Temporal's clock; its process has ended" in dead.detail


@pytest.mark.parametrize(
    ("identity", "status"),
    [("1@elsewhere/app-2", "note"), ("1@elsewhere", "ok")],
    ids=["of another app", "in another language"],
)
def test_workers_of_another_app_are_named(identity: str, status: str) -> None:
    (workers,) = poller_findings([poller(identity, 1)], YEARS_FROM_NOW, EXPECTED)

    assert workers.status == status
    assert ("they serve app-2" in workers.detail) == (status == "note")


def test_each_secret_that_is_missing_is_a_finding_of_its_own() -> None:
    assert [finding.status for finding in secret_findings(["'a' is not set", "'b' is short"], "worker 1")] == [
        "missing",
        "missing",
    ]
    (finding,) = secret_findings([], "worker 1")
    assert (finding.status, finding.detail) == ("ok", "worker 1 can read all of them")


def test_a_worker_that_confines_no_code_is_a_note() -> None:
    descriptions = ["landlock (seccomp)", "none: code is NOT confined", "Code can't be run safely here", None]
    workers = [
        WorkerDescription(identity=str(number), app_dir="/a", data_dir="/d", sandbox=description)
        for number, description in enumerate(descriptions)
    ]
    assert [finding.status for finding in sandbox_findings(workers)] == ["ok", "note", "note"]


@pytest.mark.parametrize(
    ("worker_keys", "own_keys", "expected"),
    [
        ((), (), []),
        (("a",), ("a",), ["ok"]),
        (("b", "a"), ("a", "b"), ["ok"]),
        (("a",), ("b", "a"), ["missing"]),
        (("b",), ("a",), ["missing"]),
        (("a",), (), ["missing"]),
        ((), ("a",), ["missing"]),
    ],
)
def test_a_worker_and_this_machine_need_each_others_keys(
    worker_keys: tuple[str, ...], own_keys: tuple[str, ...], expected: list[str]
) -> None:
    worker = WorkerDescription(identity="1@host", app_dir="/a", data_dir="/d", encryption_keys=worker_keys)
    findings = list(encryption_findings(worker, own_keys))
    assert [finding.status for finding in findings] == expected
    assert all("OPSPAWN_ENCRYPTION_KEYS" in finding.detail for finding in findings if finding.status == "missing")
