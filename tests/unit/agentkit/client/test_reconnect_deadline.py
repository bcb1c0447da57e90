"""How long a call keeps trying to reach the API."""

from __future__ import annotations

import pytest

from agentkit.client import ApiUnreachable
from agentkit.client.reconnect_deadline import ReconnectDeadline

TEMPORARY = ApiUnreachable("refused", temporary=True)


async def test_a_temporary_failure_is_waited_out() -> None:
    deadline = ReconnectDeadline(timeout_s=60)

    await deadline.wait_before_retry(TEMPORARY)

    assert deadline.elapsed >= 0.2


async def test_a_failure_that_will_not_pass_is_raised_at_once() -> None:
    error = ApiUnreachable("not Opspawn's API")

    with pytest.raises(ApiUnreachable) as raised:
        await ReconnectDeadline(timeout_s=60).wait_before_retry(error)

    assert raised.value is error


async def test_consecutive_failures_end_at_the_timeout() -> None:
    deadline = ReconnectDeadline(timeout_s=0.1)
    await deadline.wait_before_retry(TEMPORARY)

    with pytest.raises(ApiUnreachable):
        await deadline.wait_before_retry(TEMPORARY)


async def test_a_success_restarts_the_deadline() -> None:
    deadline = ReconnectDeadline(timeout_s=0.1)
    await deadline.wait_before_retry(TEMPORARY)

    deadline.reset()

    assert deadline.elapsed == 0
    await deadline.wait_before_retry(TEMPORARY)
