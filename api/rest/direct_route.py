"""Call an endpoint without FastAPI's solving of its parameters, which takes a tenth of the time of a short request."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.rest.access.route_roles import RequiredRole

__all__ = ["DirectRoute"]


class DirectRoute(APIRoute):
    """A route whose endpoint is called directly where the request is valid; FastAPI responds to the others.

    The endpoint takes the request, a body and texts of headers that may be missing, and returns a response. The
    route's dependencies are roles. Those of an application or of ``include_router`` would not be checked.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler.

        Raises:
            TypeError: the endpoint has other parameters, or other dependencies than roles.
        """
        handle = super().get_route_handler()
        roles = [role.dependency for role in self.dependencies if isinstance(role.dependency, RequiredRole)]
        body, parameters = self.body_field, self.dependant
        request_name = parameters.request_param_name
        others = (parameters.path_params, parameters.query_params, parameters.cookie_params)
        if body is None or request_name is None or any(others) or len(roles) != len(parameters.dependencies):
            raise TypeError(f"{self.path} needs FastAPI for its parameters or dependencies")
        headers = [(field.name, field.alias) for field in parameters.header_params]

        async def call_directly(request: Request) -> Response:
            try:
                data = await request.json()
            except (json.JSONDecodeError, ClientDisconnect):
                return await handle(request)
            for role in roles:
                await role()
            value, errors = body.validate(data, {}, loc=("body",))
            if errors:
                return await handle(request)
            values = {name: request.headers.get(alias) for name, alias in headers}
            response: Response = await self.endpoint(**{request_name: request, body.name: value, **values})
            return response

        return call_directly
