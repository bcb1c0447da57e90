from __future__ import annotations

from datetime import timedelta

import pytest

from activities.retry_policies import (
    CHECK_INPUT_POLICY,
    HEARTBEAT_INTERVAL,
    NOTIFY_INPUT_POLICY,
    ActivityPolicy,
    fast_tool_policy,
    model_policy,
    tool_policy,
)
from agentkit.interfaces import PREPARATION_TIMEOUT_S
from agentkit.specs import ToolSpec


def spec(**fields: object) -> ToolSpec:
    return ToolSpec.model_validate({"name": "look", "description": "", "parameters": {}, **fields})


@pytest.mark.parametrize(
    ("effect", "attempts"),
    [("pure", 4), ("idempotent", 4), ("irreversible", 1)],
    ids=["pure", "idempotent", "irreversible"],
)
def test_irreversible_tools_get_one_attempt(effect: str, attempts: int) -> None:
    assert tool_policy(spec(effect=effect)).retry.maximum_attempts == attempts


def test_temporals_timeout_is_longer_than_the_tools_own() -> None:
    assert tool_policy(spec(timeout=7)).start_to_close > timedelta(seconds=7 + PREPARATION_TIMEOUT_S)


def test_only_a_task_queue_of_its_own_limits_the_wait_for_a_worker() -> None:
    assert tool_policy(spec()).schedule_to_start is None
    assert tool_policy(spec(task_queue="email")).schedule_to_start == timedelta(minutes=5)


@pytest.mark.parametrize(
    "policy",
    [model_policy(fallback=False), tool_policy(spec()), CHECK_INPUT_POLICY, NOTIFY_INPUT_POLICY],
    ids=["model", "tool", "check", "webhook"],
)
def test_the_heartbeat_timeout_is_several_intervals(policy: ActivityPolicy) -> None:
    assert policy.heartbeat is not None
    assert policy.heartbeat >= 5 * HEARTBEAT_INTERVAL
    assert policy.retry.maximum_attempts > 0


@pytest.mark.parametrize("timeout", [0.5, 60.0])
def test_a_fast_tools_timeout_fits_into_a_workflow_task(timeout: float) -> None:
    policy = fast_tool_policy(spec(effect="pure", fast=True, timeout=timeout))
    assert policy.start_to_close <= timedelta(seconds=2)
    assert policy.heartbeat is None
    assert policy.retry.maximum_attempts == 3


def test_a_model_with_a_fallback_gets_fewer_attempts() -> None:
    attempts = [model_policy(fallback=fallback).retry.maximum_attempts for fallback in (True, False)]
    assert attempts == [4, 8]


def test_a_webhook_is_tried_for_about_a_day() -> None:
    retry = NOTIFY_INPUT_POLICY.retry
    assert retry.maximum_interval is not None
    waits = [
        min(retry.initial_interval.total_seconds() * 2.0**attempt, retry.maximum_interval.total_seconds())
        for attempt in range(retry.maximum_attempts - 1)
    ]
    assert retry.backoff_coefficient == 2
    assert 23 * 3_600 < sum(waits) < 25 * 3_600
