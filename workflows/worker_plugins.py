"""The plugins of a worker, which see everything that it runs."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.client import Client
from temporalio.plugin import SimplePlugin

from activities.settings import Settings
from agentkit.interfaces import Secrets
from workflows.telemetry.worker_telemetry import worker_telemetry
from workflows.tenants.usage_reporting import usage_reporting

__all__ = ["worker_plugins"]


def worker_plugins(client: Client, settings: Settings, secrets: Secrets | None = None) -> Sequence[SimplePlugin]:
    """Return the plugins that the settings and the environment ask for: telemetry, and the usage of tenants.

    The values of ``secrets`` are redacted in telemetry.
    """
    return (*worker_telemetry(client, settings, secrets), *usage_reporting(client, settings))
