"""Watch a task over as many connections as it takes."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from agentkit.client.api_connection import Exchange
from agentkit.client.errors import ApiUnreachable
from agentkit.client.reconnect_deadline import Patience
from agentkit.client.task_events import TaskEvent

__all__ = ["Lost", "Regained", "Update", "watch"]

_STEADY = 5.0
"""Seconds after which a stream counts as good, though it had nothing to tell."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The API can't be reached; it is tried again and again. The task goes on meanwhile."""

    reason: str


@dataclass(frozen=True, slots=True)
class Regained:
    """The API is back: durable events go on without a gap. What was live meanwhile isn't told."""

    seconds: float
    """For how long it was lost."""


Update = TaskEvent | Lost | Regained


async def watch(exchange: Exchange, path: str, after: str | None, patience: Patience) -> AsyncGenerator[Update, None]:
    """Yield each durable event after ``after`` once and in order, live ones as they come, and breaks between them.

    Raises:
        ClientError: it can't be watched, or nothing answered for too long.
    """
    lost = False
    while True:
        heard, opened = False, math.inf
        try:
            async with exchange.listen(path, after) as events:
                opened = time.monotonic()
                if lost:
                    lost = False
                    yield Regained(patience.spent)
                if events is None:
                    return
                async for event in events:
                    heard, after = True, event.position or after
                    yield event
                    if event.last:
                        return
            error = ApiUnreachable(f"{exchange.url} ended the stream before the task's end.", passing=True)
            quiet = heard  # the API stops, or we were too slow: most often it can be asked again at once
        except ApiUnreachable as unreachable:
            error, quiet = unreachable, False
        if heard or time.monotonic() - opened > _STEADY:
            patience.restore()
        if error.passing and not lost and not quiet:
            lost = True
            yield Lost(str(error))
        await patience.pause(error)
