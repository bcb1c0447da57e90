"""Expected failures are logged in a line; others keep their traceback."""

from __future__ import annotations

import logging

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.activity_log import ExpectedFailures, shorten_activity_log


@pytest.mark.parametrize(
    ("error", "line"),
    [
        pytest.param(ApplicationError("overloaded", type="ModelUnavailable"), True, id="ours"),
        pytest.param(KeyError("x"), False, id="a defect"),
    ],
)
def test_only_expected_failures_lose_their_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, line: bool
) -> None:
    logger = logging.getLogger("tests.expected_failures")
    logger.addFilter(ExpectedFailures())
    logger.warning("Completing activity as failed", exc_info=error)
    (record,) = caplog.records
    assert ("(ModelUnavailable: overloaded)" in record.getMessage()) is line
    assert (record.exc_info is None) is line


def test_the_sdks_log_of_activities_is_shortened(caplog: pytest.LogCaptureFixture) -> None:
    before = activity.logger.base_logger.filters[:]
    shorten_activity_log()
    try:
        activity.logger.warning("Completing activity as failed", exc_info=ApplicationError("no", type="ToolError"))
    finally:
        activity.logger.base_logger.filters[:] = before
        activity.logger.activity_info_on_message = True
    assert caplog.messages == ["Completing activity as failed (ToolError: no)"]
