from __future__ import annotations

import pytest
from fastapi import FastAPI

from api.services import ApiServices, app_services


async def test_services_exist_while_the_application_runs(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        assert isinstance(app_services(app), ApiServices)


def test_an_application_that_did_not_start_has_none() -> None:
    app = FastAPI()
    app.state.opspawn = None
    with pytest.raises(TypeError, match="lifespan"):
        app_services(app)
