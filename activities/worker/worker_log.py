"""The log of a worker: one line a record on standard error, without the secrets of its tools."""

from __future__ import annotations

import logging
import sys

from activities.settings import Settings, inherited_environment
from activities.worker.activity_log import shorten_activity_log
from agentkit.interfaces import NoSecrets, Secrets
from agentkit.secrets import SecretStore

__all__ = ["RedactingFormatter", "set_up_worker_log", "worker_secrets"]

_FORMAT = "%(levelname)s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Formats records with their tracebacks, and redacts secrets in the result."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__(_FORMAT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text without secrets."""
        return self._secrets.redact_text(super().format(record))


def set_up_worker_log(secrets: Secrets = NoSecrets()) -> None:  # noqa: B008  it has no state
    """Log to standard error from INFO on, and redact ``secrets``; called again, it replaces them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    shorten_activity_log()


def worker_secrets(settings: Settings) -> SecretStore:
    """Return the secrets of the settings, of this process's environment; from now on the log is redacted."""
    secrets = SecretStore(settings.secrets, settings.app_dir, inherited_environment())
    set_up_worker_log(secrets)
    return secrets
