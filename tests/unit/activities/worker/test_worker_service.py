"""What a worker logs of the tasks that its version gets."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from temporalio.common import WorkerDeploymentVersion

from activities.settings import Settings
from activities.temporal.queue_workers import VersionRouting
from activities.worker import worker_service

V1, V2 = WorkerDeploymentVersion("opspawn", "v1"), WorkerDeploymentVersion("opspawn", "v2")


@pytest.mark.parametrize(
    ("build_id", "routing", "earlier", "expected"),
    [
        (None, VersionRouting(), None, ""),
        ("v1", VersionRouting(V1), None, "New tasks are given to this worker, version v1"),
        ("v1", VersionRouting(V2), VersionRouting(V1), "`opspawn workers set-current v1`"),
        (None, VersionRouting(V2), None, "`opspawn workers set-current --unversioned`"),
    ],
    ids=["unversioned", "current", "no longer current", "unversioned beside a version"],
)
def test_a_worker_logs_whether_it_gets_tasks(
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    build_id: str | None,
    routing: VersionRouting,
    earlier: VersionRouting | None,
    expected: str,
) -> None:
    settings = Settings(app_dir=tmp_path, build_id=build_id)
    with caplog.at_level(logging.INFO, "opspawn.worker"):
        worker_service.log_routing(routing, earlier, settings)
    assert expected in caplog.text
    assert bool(expected) == bool(caplog.text)
