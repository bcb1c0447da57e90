"""A model that responds when the test lets it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from agentkit.interfaces import ModelRequest


@dataclass
class GatedModel:
    """Responds ``open`` to every request, once ``released``."""

    requested: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: ModelRequest) -> str:
        self.requested.set()
        await self.released.wait()
        return "open"
