"""The worker's log has no secrets, also in tracebacks and arguments."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from activities.worker.worker_log import RedactingFormatter
from agentkit.config.secret_sources import SecretSource
from agentkit.secrets import SecretStore


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
