"""Limits of a running task: which one is reached, how people raise them, and the request that asks for it."""

from __future__ import annotations

from agentkit.errors import LimitExceeded, SteeringInvalid
from agentkit.input_requests import InputRequest
from agentkit.messages import Usage
from agentkit.runtime.calls.call_effects import CallEffects
from agentkit.runtime.calls.repeated_calls import DEFAULT_MAX_REPEATS
from agentkit.specs import Limits, RaisedLimits

__all__ = [
    "check_limit_changes",
    "deadline_text",
    "limit_request",
    "reached_limit",
    "stopped_by_person",
    "with_limit_changes",
]


def reached_limit(limits: Limits, usage: Usage, steps: int) -> str | None:
    """Return which limit is reached, as a clause for people; None: none is. The deadline is not among them."""
    if steps >= limits.max_steps:
        return f"max_steps is {limits.max_steps}, and the task has used {steps} steps"
    if limits.max_tokens is not None and usage.tokens >= limits.max_tokens:
        return f"max_tokens is {limits.max_tokens}, and the task has used {usage.tokens} tokens"
    if limits.max_cost_usd is not None and usage.cost_usd is not None and usage.cost_usd >= limits.max_cost_usd:
        return f"max_cost_usd is {limits.max_cost_usd}, and the task has cost {usage.cost_usd} USD"
    return None


def deadline_text(deadline_s: float | None) -> str:
    """Return that the deadline is reached, as a clause for people."""
    return f"deadline is {deadline_s or 0:g} s, and the task has run for as long"


def with_limit_changes(limits: Limits, changes: RaisedLimits) -> Limits:
    """Return the limits with the changes; one that was raised further meanwhile stays as it is."""
    raised = {
        name: value
        for name, value in changes.model_dump(exclude_none=True).items()
        if not _is_lower(name, value, getattr(limits, name))
    }
    return limits.model_copy(update=raised)


def check_limit_changes(
    limits: Limits, changes: RaisedLimits, usage: Usage, steps: int, *, must_suffice: bool = False
) -> None:
    """Check changes of limits; with ``must_suffice``, that no limit is reached afterwards, either.

    Raises:
        SteeringInvalid: a limit would be lowered or added, or is still reached.
    """
    for name, value in changes.model_dump(exclude_none=True).items():
        current = getattr(limits, name)
        if current is None and name == "max_repeats":
            current = DEFAULT_MAX_REPEATS
        if current is None:
            raise SteeringInvalid(f"The task has no {name}: a limit can be raised, not added.")
        if _is_lower(name, value, current):
            raise SteeringInvalid(
                f"{name} is {_number(current)}: a limit can be raised, not lowered to {_number(value)}."
            )
    if must_suffice and (reached := reached_limit(with_limit_changes(limits, changes), usage, steps)):
        raise SteeringInvalid(f"That is not enough: then {reached}.")


def _is_lower(name: str, value: float, current: float | None) -> bool:
    """Return whether a value of a limit is lower than the current one; 0 for ``max_repeats`` is no limit."""
    if name != "max_repeats":
        return current is not None and value < current
    current = DEFAULT_MAX_REPEATS if current is None else current
    return value != 0 and (current == 0 or value < current)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"  # an int may be too large for a float


def limit_request(effects: CallEffects, reason: str, step: int) -> InputRequest:
    """Return the request that asks a person to raise a limit."""
    return InputRequest(
        id=effects.next_request_id(),
        kind="limit",
        step=step,
        message=f"A limit is reached: {reason}. Raise it, and the task goes on, or stop the task.",
        opened_at=effects.now(),
    )


def stopped_by_person(reason: str, answered_by: str | None) -> LimitExceeded:
    """Return the error of a task that a person has stopped at a limit."""
    who = f", and {answered_by} stopped it there" if answered_by else ", and a person stopped it there"
    return LimitExceeded(f"{reason}{who}")
