"""The API with keys of two tenants, over REST and gRPC, on one set of services."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import uvicorn
from fastapi import FastAPI
from grpc import aio

from activities.settings import Settings
from activities.temporal.client import connect
from agentkit.catalog.catalog import load_catalog
from agentkit.principal import Role
from api.app import create_app
from api.grpc.grpc_server import GrpcServer
from api.services import ApiServices, app_services
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.watching import Served
from tests.tenant_keys import ACME, GLOBEX, TenantKeys, write_tenant_keys


@dataclass(frozen=True)
class TwoTenants:
    """The API, and what its principals use it with."""

    app: FastAPI
    services: ApiServices
    keys: TenantKeys
    channel: aio.Channel
    """To its gRPC server; calls need ``metadata(TENANT, ROLE)``."""
    harnesses: dict[tuple[str, Role], ApiHarness]
    anonymous: httpx2.AsyncClient
    """Sends no key."""

    def of(self, tenant: str, role: Role = "operator") -> ApiHarness:
        """Return the harness whose requests have the key of a tenant's ``viewer``, ``operator`` or ``approver``."""
        return self.harnesses[tenant, role]

    @property
    def acme(self) -> ApiHarness:
        """The operator of ``acme``."""
        return self.of(ACME)

    @property
    def globex(self) -> ApiHarness:
        """The operator of ``globex``."""
        return self.of(GLOBEX)

    @property
    def admin(self) -> ApiHarness:
        """The administrator, of the tenant ``default``."""
        return self.of("default", "admin")

    def metadata(self, tenant: str, role: Role = "operator") -> aio.Metadata:
        """Return the metadata of a gRPC call."""
        return aio.Metadata(*self.keys.header(tenant, role).items())


@asynccontextmanager
async def serve_tenants(settings: Settings) -> AsyncIterator[TwoTenants]:
    """Run the API of these settings with a new keys file in its data directory."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    keys = write_tenant_keys(settings.data_dir)
    settings = settings.model_copy(update={"keys_file": keys.path})
    temporal, catalog = await connect(settings), load_catalog(settings)
    app = create_app(settings, catalog, client=temporal, stopping=asyncio.Event())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        services = app_services(app)
        harnesses: dict[tuple[str, Role], ApiHarness] = {}
        for tenant, role in keys.keys:
            client = await stack.enter_async_context(_client(app, keys.header(tenant, role)))
            harnesses[tenant, role] = ApiHarness(client, temporal, settings, catalog)
        anonymous = await stack.enter_async_context(_client(app, {}))
        server = GrpcServer(services, max_request_bytes=settings.max_input_bytes, max_connections=100)
        address = f"127.0.0.1:{await server.start('127.0.0.1', 0)}"
        try:
            async with aio.insecure_channel(address) as channel:
                yield TwoTenants(app, services, keys, channel, harnesses, anonymous)
        finally:
            services.stopping.set()
            await asyncio.wait_for(server.stop(1), WITHIN)


def _client(app: FastAPI, headers: dict[str, str]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost", headers=headers)


@asynccontextmanager
async def serving(app: FastAPI, headers: dict[str, str]) -> AsyncIterator[Served]:
    """Serve a running application on a socket, for streams; the client sends ``headers`` with every request."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))

    async def started() -> bool:
        return server.started

    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(started, bool)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=WITHIN, headers=headers) as http:
            yield Served(app, url, http, app_services(app).stopping)
        server.should_exit = True
        await asyncio.wait_for(running, WITHIN)
