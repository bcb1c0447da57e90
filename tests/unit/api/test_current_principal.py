from __future__ import annotations

import asyncio

from agentkit.principal import LOCAL_PRINCIPAL, Principal
from api.current_principal import acting_as, current_principal

_ADA = Principal(subject="ada", tenant="acme")


async def test_tasks_started_inside_have_the_principal_and_the_code_after_it_has_not() -> None:
    async def principal_of_a_task() -> Principal:
        return current_principal()

    with acting_as(_ADA):
        started = asyncio.create_task(principal_of_a_task())
        assert current_principal() == _ADA
    assert await started == _ADA
    assert current_principal() == LOCAL_PRINCIPAL
