"""``opspawn setup``: register the search attributes that lists of tasks are filtered by."""

from __future__ import annotations

import asyncio

from activities.settings import Settings
from cli.temporal_checks import connect_to_temporal, register_search_attributes
from cli.views.console import out

__all__ = ["setup"]


def setup() -> None:
    """Register the search attributes at Temporal. Safe to repeat."""
    added = asyncio.run(_setup(Settings.load()))
    if added:
        out.print(f"Registered {', '.join(added)}", soft_wrap=True)
    else:
        out.print("All search attributes are registered.")


async def _setup(settings: Settings) -> list[str]:
    return await register_search_attributes(await connect_to_temporal(settings))
