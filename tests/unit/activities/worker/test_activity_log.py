from __future__ import annotations

import logging

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.worker.activity_log import ExpectedFailureFilter, shorten_activity_log


@pytest.mark.parametrize(
    ("error", "is_shortened"),
    [
        pytest.param(ApplicationError("overloaded", type="ModelUnavailable"), True, id="application error"),
        pytest.param(KeyError("x"), False, id="other exception"),
    ],
)
def test_only_application_errors_are_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, is_shortened: bool
) -> None:
    logger = logging.Logger("test")
    logger.addHandler(caplog.handler)
    logger.addFilter(ExpectedFailureFilter())
    logger.warning("Completing activity as failed", exc_info=error)
    (record,) = caplog.records
    assert ("(ModelUnavailable: overloaded)" in record.getMessage()) is is_shortened
    assert (record.exc_info is None) is is_shortened


def test_a_failed_activity_is_logged_on_one_line_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    before = activity.logger.base_logger.filters[:]
    shorten_activity_log()
    try:
        activity.logger.warning("Completing activity as failed", exc_info=ApplicationError("no", type="ToolError"))
    finally:
        activity.logger.base_logger.filters[:] = before
        activity.logger.activity_info_on_message = True
    assert caplog.messages == ["Completing activity as failed (ToolError: no)"]
