"""Keep the log readable: an expected failure of a model or tool is one line, not a traceback."""

from __future__ import annotations

import logging

from temporalio import activity
from temporalio.exceptions import ApplicationError

__all__ = ["ExpectedFailures", "shorten_activity_log"]


class ExpectedFailures(logging.Filter):
    """Takes the traceback off what the SDK logs of an ``ApplicationError``: we raise those on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, some of them shortened."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ApplicationError):
            record.msg = f"{record.msg} ({error.type}: {error.message})"
            record.args = ()
            record.exc_info = None
        return True


def shorten_activity_log() -> None:
    """Leave out of the SDK's log of activities what makes a line a paragraph."""
    activity.logger.base_logger.addFilter(ExpectedFailures())
    activity.logger.activity_info_on_message = False
