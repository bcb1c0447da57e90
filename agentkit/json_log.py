"""A log with an object of JSON on each line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from agentkit.telemetry import current_trace, trace_id

__all__ = ["JsonLogFormatter"]

_CONTEXTS = ("temporal_activity", "temporal_workflow")
"""The extra fields of the records of Temporal's loggers."""


class JsonLogFormatter(logging.Formatter):
    """Writes ``time``, ``level``, ``logger``, ``message`` and ``exception``; of tasks ``task_id`` and ``trace_id``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        fields: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        task_id, trace = _task_id(record), current_trace()
        if task_id is not None:
            fields["task_id"] = task_id
        if trace is not None or task_id is not None:
            fields["trace_id"] = f"{trace_id(task_id or '') if trace is None else trace.trace_id:032x}"
        return json.dumps(fields, ensure_ascii=True)


def _task_id(record: logging.LogRecord) -> str | None:
    own = getattr(record, "task_id", None)
    contexts = (getattr(record, name, None) for name in _CONTEXTS)
    found = own or next((each.get("workflow_id") for each in contexts if isinstance(each, dict)), None)
    return str(found) if found else None
