"""Authenticate each gRPC call, check its role, and end it when its key or token is no longer valid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from agentkit.principal import Role
from api.access.authentication import Authentication
from api.access.client_address import TrustedProxies, grpc_peer
from api.access.role_check import check_role
from api.access.validity_watch import CredentialExpired, while_valid
from api.current_principal import acting_as
from api.grpc.method_handlers import call_behavior, wrap_handler
from api.grpc.method_roles import OPEN_SERVICES, ROLES
from api.grpc.status_mapping import errors_as_status
from api.tasks.errors import NotAuthenticated

__all__ = ["CallAuthentication"]

if TYPE_CHECKING:
    from api.grpc.method_handlers import Context, Handler


class CallAuthentication(aio.ServerInterceptor):
    """Runs calls as the principal of their ``authorization`` metadata."""

    def __init__(self, authentication: Authentication, proxies: TrustedProxies) -> None:
        self._authentication = authentication
        self._proxies = proxies

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the call's handler, which authenticates first; None: there is no such call."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method.removeprefix("/")
        if handler is None or not self._authentication.is_on or method.partition("/")[0] in OPEN_SERVICES:
            return handler
        roles: tuple[Role, ...] = ROLES.get(method, ("admin",))

        def authenticated(behavior: Any) -> Any:
            async def call(request: Any, context: Context) -> Any:
                async with errors_as_status(context):
                    return await self._call(behavior, request, context, roles)

            return call

        return wrap_handler(handler, authenticated)

    async def _call(self, behavior: Any, request: Any, context: Context, roles: tuple[Role, ...]) -> Any:
        identity = await self._authentication.identify(_authorization(context), self._address(context))
        with acting_as(identity.principal):
            check_role(*roles)
            try:
                async with while_valid(identity, self._authentication.recheck_interval_s):
                    return await call_behavior(behavior, request, context)
            except CredentialExpired:
                raise NotAuthenticated("The API key or token is no longer valid.") from None

    def _address(self, context: Context) -> str:
        return self._proxies.client(grpc_peer(context.peer()), _values(context, "x-forwarded-for"))


def _values(context: Context, name: str) -> list[str]:
    values = (value for key, value in context.invocation_metadata() or () if key == name)
    return [value for value in values if isinstance(value, str)]


def _authorization(context: Context) -> str | None:
    """Return the metadata; None where there is none, or several, of which a proxy may have checked another one."""
    values = _values(context, "authorization")
    return values[0] if len(values) == 1 else None
