from __future__ import annotations

from fastapi import FastAPI

from activities.settings import Settings
from api.services import app_services
from api.tasks.readiness import readiness_problem


async def test_an_unreachable_temporal_is_the_problem(app: FastAPI, settings: Settings) -> None:
    async with app.router.lifespan_context(app):
        problem = await readiness_problem(app_services(app).client, settings)
    assert problem is not None
    assert f"127.0.0.1:{settings.temporal_port}" in problem
