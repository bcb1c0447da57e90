"""Check the versions of workers: whether those that poll get tasks, and whether tasks are pinned to others."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError

from activities.shell_commands import opspawn_command
from activities.temporal.queue_workers import QueueWorkers, recent_workers
from activities.temporal.versions.version_moves import deployment_names, pinned_query
from activities.temporal.versions.version_problems import pinned_without_workers, unserved_tasks
from activities.temporal.versions.worker_deployments import deployment_versions
from cli.doctor.finding import Finding

__all__ = ["version_findings"]

_SUBJECT = "Worker versions"
_TIMEOUT = timedelta(seconds=5)


async def version_findings(client: Client, task_queue: str, deployment: str) -> tuple[list[Finding], bool]:
    """Report problems of versions; return whether a worker that polls gets new tasks, too.

    ``deployment`` is looked at where no versioned worker polls.
    """
    try:
        workers = await recent_workers(client, task_queue)
        findings = await _stuck(client, task_queue, workers, deployment)
    except RPCError as error:
        return [Finding(_SUBJECT, "note", f"Temporal refuses to describe them: {error.message}")], True
    if (problem := unserved_tasks(workers, task_queue)) is not None:
        versions = {poller.version for poller in workers.pollers}
        commands = sorted(map(_set_current, versions))
        return [Finding(_SUBJECT, "missing", problem, tuple(commands)), *findings], False
    if not findings and workers.pollers and workers.routing.current is not None:
        current = workers.routing.current
        findings = [Finding(_SUBJECT, "ok", f"{current.build_id} of {current.deployment_name} gets new tasks")]
    return findings, True


async def _stuck(client: Client, task_queue: str, workers: QueueWorkers, deployment: str) -> list[Finding]:
    findings: list[Finding] = []
    for name in await deployment_names(client, task_queue, workers.deployments(deployment)):
        for known in await deployment_versions(client, name):
            version = known.version
            if known.status == "drained" or workers.serving(version) or workers.routing.routes_to(version):
                continue
            query = pinned_query(version, task_queue)
            if tasks := (await client.count_workflows(query, rpc_timeout=_TIMEOUT)).count:
                command = opspawn_command("workers", "drain", version.build_id)
                findings.append(Finding(_SUBJECT, "missing", pinned_without_workers(version, tasks), (command,)))
    return findings


def _set_current(version: WorkerDeploymentVersion | None) -> str:
    return opspawn_command("workers", "set-current", "--unversioned" if version is None else version.build_id)
