"""A task that no worker takes: ``run``, ``show``, ``tasks`` and ``follow`` name the command that starts one."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from tests.integration.cli.dev_process import OPSPAWN, DevProcess

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

NOTICE = re.compile(r"No worker polls task queue 'opspawn', so the task waits\. Start one: `(.+)`")


@pytest.mark.parametrize("options", [[], ["--follow"]], ids=["run", "run --follow"])
def test_a_task_without_a_worker_is_reported_and_the_command_starts_one(dev: DevProcess, options: list[str]) -> None:
    dev.start("--no-worker")
    with subprocess.Popen(
        [*OPSPAWN, "run", "assistant", "say late", *options],
        cwd=dev.directory,
        env=dev.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        found = next(match for line in running.stderr if (match := NOTICE.fullmatch(line.strip())))
        (listed,) = dev.json_of("tasks")["tasks"]
        shown = dev.opspawn("show", listed["id"])
        tasks = dev.opspawn("tasks")
        with subprocess.Popen(
            ["sh", "-c", found[1]], cwd="/", env=dev.environment, stderr=subprocess.DEVNULL, start_new_session=True
        ) as worker:
            output, errors = running.communicate(timeout=60)
            os.killpg(worker.pid, signal.SIGTERM)

    assert running.returncode == 0
    assert output.splitlines()[-1] == "late"
    assert NOTICE.search(errors) is None
    assert listed["waiting_for_worker"] is True
    assert len(NOTICE.findall(shown.stdout)) == 1
    assert len(NOTICE.findall(tasks.stderr)) == 1
