"""The worker's log has no secrets, also in tracebacks and arguments."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.settings import Settings
from activities.worker.worker_log import RedactingFormatter, worker_secrets
from agentkit.config.secret_sources import SecretSource
from agentkit.interfaces import NoSecrets
from agentkit.secrets import SecretStore
from agentkit.telemetry import trace_id


def test_messages_arguments_and_tracebacks_are_redacted() -> None:
    secrets = SecretStore({"vault": SecretSource(env="VAULT")}, Path(), {"VAULT": "hunter2hunter2"})
    try:
        raise ValueError("wrong: hunter2hunter2")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed with %s", ("hunter2hunter2",), sys.exc_info())
    text = RedactingFormatter(secrets).format(record)
    assert text.startswith("ERROR x: failed with [secret:vault]\nTraceback")
    assert text.endswith("ValueError: wrong: [secret:vault]")


def test_a_log_in_json_is_redacted_too() -> None:
    secrets = SecretStore({"vault": SecretSource(env="VAULT")}, Path(), {"VAULT": "hunter2hunter2"})
    record = logging.LogRecord("x", logging.INFO, "", 1, "got %s", ("hunter2hunter2",), None)
    fields = json.loads(RedactingFormatter(secrets, "json").format(record))
    assert fields["message"] == "got [secret:vault]"


async def test_a_line_of_an_activity_has_its_task() -> None:
    environment = ActivityEnvironment()
    record = logging.LogRecord("x", logging.INFO, "", 1, "done", (), None)

    async def log() -> str:
        return RedactingFormatter(NoSecrets(), "json").format(record)

    line = json.loads(await environment.run(log))
    task_id = environment.info.workflow_id
    assert task_id is not None
    assert (line["task_id"], line["trace_id"]) == (task_id, f"{trace_id(task_id):032x}")


def test_the_keys_of_temporal_and_telemetry_are_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])  # it replaces those of this process
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setenv("TEMPORAL_API_KEY", "temporal-0123456789")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=otlp-header-0123456789")
    shown = worker_secrets(Settings()).redact_text("temporal-0123456789 otlp-header-0123456789")
    assert shown == "[secret:TEMPORAL_API_KEY] [secret:OTEL_EXPORTER_OTLP_HEADERS.x-key]"
