from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from agentkit.principal import Principal, Role
from api.app import create_app
from api.current_principal import acting_as
from api.rest.access.route_roles import OPEN_PATHS, RequiredRole
from api.tasks.errors import RoleMissing


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield every route, of included routers as well."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from _routes(included.routes)


def _roles(route: APIRoute) -> set[tuple[Role, ...]]:
    markers = (dependency.dependency for dependency in route.dependencies)
    return {marker.roles for marker in markers if isinstance(marker, RequiredRole)}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    settings = Settings(app_dir=tmp_path_factory.mktemp("app"))
    return list(_routes(create_app(settings, load_catalog(settings)).routes))


def test_every_route_declares_a_role_or_is_open(routes: list[Any]) -> None:
    assert len(routes) > 50
    assert [route.path for route in routes if not (isinstance(route, APIRoute) and _roles(route))] == [
        path for path in (route.path for route in routes) if path in OPEN_PATHS
    ]


def test_what_changes_something_needs_more_than_a_viewer(routes: list[Any]) -> None:
    changing = [route for route in routes if route.methods - {"GET", "HEAD"}]
    assert len(changing) > 15
    assert [route.path for route in changing if not _roles(route) - {("viewer",)}] == []


async def test_one_of_the_roles_is_enough() -> None:
    approver = Principal(subject="ada", roles=frozenset({"approver"}))
    with acting_as(approver):
        await RequiredRole("operator", "approver")()
        with pytest.raises(RoleMissing, match="needs the role operator or admin; 'ada' has approver"):
            await RequiredRole("operator")()
