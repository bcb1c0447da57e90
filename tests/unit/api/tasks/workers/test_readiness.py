from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from activities.settings import Settings
from api.services import app_services
from api.tasks.requests.disk_space import disk_problem
from api.tasks.workers.readiness import readiness_problem


async def test_an_unreachable_temporal_is_the_problem(app: FastAPI, settings: Settings) -> None:
    async with app.router.lifespan_context(app):
        problem = await readiness_problem(app_services(app).client, settings)
    assert problem is not None
    assert f"127.0.0.1:{settings.temporal_port}" in problem


def test_a_disk_without_enough_space_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "data" / "payloads"

    problem = disk_problem(missing, name="/somewhere", min_free_bytes=2**62)

    assert problem is not None
    assert problem.startswith("The disk of /somewhere is full")
    assert disk_problem(missing, name="/somewhere", min_free_bytes=0) is None
