from __future__ import annotations

import pytest

from activities.settings import Settings
from activities.worker.worker_limits import worker_limits


@pytest.mark.parametrize(("storage", "at_once"), [(None, 1), ("s3://bucket/prefix", 3)])
def test_payloads_in_a_directory_are_moved_one_by_one_and_those_in_s3_together(
    storage: str | None, at_once: int
) -> None:
    limits = worker_limits(Settings(payload_storage=storage))
    assert limits["max_workflow_task_external_storage_concurrency"] == at_once


def test_running_activities_get_the_time_of_the_settings_when_the_worker_stops() -> None:
    settings = Settings()
    assert worker_limits(settings)["graceful_shutdown_timeout"] == settings.graceful_shutdown_timeout
