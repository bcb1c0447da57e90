from __future__ import annotations

from datetime import timedelta

import pytest

from activities.retry_policies import HEARTBEAT_EVERY, Policy, fast_tool_policy, model_policy, tool_policy
from agentkit.specs import ToolSpec


def spec(**fields: object) -> ToolSpec:
    return ToolSpec.model_validate({"name": "look", "description": "", "parameters": {}, **fields})


@pytest.mark.parametrize(
    ("effect", "attempts"),
    [("pure", 4), ("idempotent", 4), ("irreversible", 1)],
    ids=["pure", "idempotent", "irreversible"],
)
def test_only_what_can_be_repeated_is_tried_again(effect: str, attempts: int) -> None:
    assert tool_policy(spec(effect=effect)).retry.maximum_attempts == attempts


def test_a_tool_ends_itself_before_temporal_has_to() -> None:
    assert tool_policy(spec(timeout=7)).start_to_close > timedelta(seconds=7)


def test_only_a_foreign_task_queue_bounds_the_wait_for_a_worker() -> None:
    assert tool_policy(spec()).schedule_to_start is None
    assert tool_policy(spec(task_queue="email")).schedule_to_start == timedelta(minutes=5)


@pytest.mark.parametrize("policy", [model_policy(fallback=False), tool_policy(spec())], ids=["model", "tool"])
def test_a_lost_worker_is_noticed_by_its_missing_heartbeat(policy: Policy) -> None:
    assert policy.heartbeat is not None
    assert policy.heartbeat >= 5 * HEARTBEAT_EVERY
    assert policy.retry.maximum_attempts > 0


@pytest.mark.parametrize("timeout", [0.5, 60.0])
def test_a_fast_tool_fits_into_a_workflow_task(timeout: float) -> None:
    policy = fast_tool_policy(spec(effect="pure", fast=True, timeout=timeout))
    assert policy.start_to_close <= timedelta(seconds=min(timeout, 5))
    assert policy.heartbeat is None
    assert policy.retry.maximum_attempts == 3


def test_a_model_that_another_can_stand_in_for_is_given_up_sooner() -> None:
    attempts = [model_policy(fallback=fallback).retry.maximum_attempts for fallback in (True, False)]
    assert attempts == [4, 8]
