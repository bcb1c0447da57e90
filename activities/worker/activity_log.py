"""Shorten the SDK's log of activities: an expected failure of a model or tool is one line, without a traceback."""

from __future__ import annotations

import logging

from temporalio import activity
from temporalio.exceptions import ApplicationError

__all__ = ["ExpectedFailureFilter", "shorten_activity_log"]


class ExpectedFailureFilter(logging.Filter):
    """Replaces the traceback of an ``ApplicationError`` with its message: activities raise it on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record if it has such an error; keep every record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ApplicationError):
            record.msg = f"{record.msg} ({error.type}: {error.message})"
            record.args = ()
            record.exc_info = None
        return True


def shorten_activity_log() -> None:
    """Remove the tracebacks of expected failures and the activity info from the SDK's log of activities."""
    activity.logger.base_logger.addFilter(ExpectedFailureFilter())
    activity.logger.activity_info_on_message = False
