"""The log of a worker: one line a record on standard error, without the secrets of its tools."""

from __future__ import annotations

import logging
import sys

from temporalio import activity

from activities.settings import Settings, inherited_environment
from activities.worker.activity_log import shorten_activity_log
from agentkit.interfaces import NoSecrets, Secrets
from agentkit.json_log import JsonLogFormatter
from agentkit.secrets import SecretStore

__all__ = ["RedactingFormatter", "set_up_worker_log", "worker_secrets"]

_FORMAT = "%(levelname)s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Formats records with their tracebacks, and redacts secrets in the result."""

    def __init__(self, secrets: Secrets, log_format: str = "text") -> None:
        super().__init__(_FORMAT)
        self._secrets = secrets
        self._json = JsonLogFormatter() if log_format == "json" else None

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text without secrets."""
        if self._json is not None and not hasattr(record, "task_id") and activity.in_activity():
            record.task_id = activity.info().workflow_id
        text = super().format(record) if self._json is None else self._json.format(record)
        return self._secrets.redact_text(text)


def set_up_worker_log(secrets: Secrets = NoSecrets(), log_format: str | None = None) -> None:  # noqa: B008  stateless
    """Log to standard error from INFO on, and redact ``secrets``; called again, it replaces them.

    ``log_format`` is ``text`` or ``json``; None: what ``OPSPAWN_LOG_FORMAT`` says.
    """
    log_format = log_format or inherited_environment().get("OPSPAWN_LOG_FORMAT", "text")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets, log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    shorten_activity_log()


def worker_secrets(settings: Settings) -> SecretStore:
    """Return the secrets of the settings, of this process's environment; from now on the log is redacted.

    The keys of providers, of Temporal, and all of Opspawn's own, are redacted as well.
    """
    environment = inherited_environment()
    internal_secrets = settings.internal_secrets(environment)
    secrets = SecretStore(settings.secrets, settings.app_dir, environment, internal_secrets)
    set_up_worker_log(secrets, settings.log_format)
    return secrets
