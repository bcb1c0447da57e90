"""Expected failures are logged in a line; others keep their traceback."""

from __future__ import annotations

import logging

import pytest
from temporalio.exceptions import ApplicationError

from activities.logs import ExpectedFailures


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
