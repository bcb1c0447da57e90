"""Random messages and bytes to every gRPC method: each call ends with a status that is the client's error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from grpc import aio

from agentkit.llm.demo.model import DemoModel
from agentkit.principal import Role
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.tools import ToolRegistry
from api.proto.opspawn.v1 import conversations_pb2, tasks_pb2
from tests.integration.api.conftest import serve_rest, settings_for
from tests.integration.api.grpc_harness import serve_grpc
from tests.integration.api.two_tenants import serve_tenants
from tests.integration.hostile_clients.random_messages import random_bytes, random_message
from worker import build_worker

_SEED = 20261128
_MESSAGES = 25
"""Of each kind to each method."""
_TIMEOUT_S = 30.0
_ROLES: tuple[Role, ...] = ("viewer", "operator", "approver")
_NO_KEYS = ("", "Bearer", "Bearer ", "Bearer opspawn_0_x", "Bearer a.b.c", "Basic YTpi", "Bearer " + "x" * 4_000)
_NO_WORKER = {grpc.StatusCode.UNAVAILABLE}
"""Also a right response to what only a worker can read."""
_CLIENT_ERRORS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def _methods() -> list[MethodDescriptor]:
    files: Iterable[Any] = (tasks_pb2.DESCRIPTOR, conversations_pb2.DESCRIPTOR)
    return [method for file in files for service in file.services_by_name.values() for method in service.methods]


def _requests(method: MethodDescriptor, random: Random, ids: tuple[str, ...]) -> list[bytes]:
    """Return random messages of a method, and bytes that are almost such."""
    messages = [random_message(method.input_type, random, ids) for _ in range(_MESSAGES)]
    return [
        *(message.SerializeToString() for message in messages),
        *(random_bytes(message, random) for message in messages),
    ]


async def _status(
    channel: aio.Channel, method: MethodDescriptor, data: bytes, metadata: aio.Metadata | None = None
) -> grpc.StatusCode:
    """Send bytes as a request; return how the call ends."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            stream: Any = channel.unary_stream(path)
            async for _ in stream(data, timeout=_TIMEOUT_S, metadata=metadata):
                pass
        else:
            call: Any = channel.unary_unary(path)
            await call(data, timeout=_TIMEOUT_S, metadata=metadata)
    except aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_random_messages_are_never_a_server_error_in_any_grpc_method(tmp_path: Path, temporal_port: int) -> None:
    methods, random = _methods(), Random(_SEED)
    statuses: dict[str, set[grpc.StatusCode]] = {}
    async with serve_rest(settings_for(tmp_path, temporal_port)) as harness, AsyncExitStack() as stack:
        parts = (harness.temporal, harness.settings, {"demo": DemoModel()}, ToolRegistry([]), InlineOutputChecker())
        await stack.enter_async_context(build_worker(*parts))
        api = await stack.enter_async_context(serve_grpc(harness))
        task_id = await api.submit()
        assert (await api.task(task_id, wait=20)).id == task_id
        conversation = await harness.http.post("/api/v1/conversations", json={"agent": "assistant"})
        ids = (task_id, conversation.json()["id"])
        for method in methods:
            requests = _requests(method, random, ids)
            ended = await asyncio.gather(*(_status(api.channel, method, request) for request in requests))
            statuses[method.name] = set(ended)
    assert {name: found - _CLIENT_ERRORS for name, found in statuses.items() if found - _CLIENT_ERRORS} == {}
    assert len(statuses) == len(methods)
    assert grpc.StatusCode.OK in set.union(*statuses.values()), "no message was valid"


async def test_random_messages_with_each_role_and_with_keys_that_are_none_get_no_further_than_the_role(
    tmp_path: Path, temporal_port: int
) -> None:
    random = Random(_SEED)
    limits = {"rate_limit": 10_000.0, "rate_burst": 10_000, "authentication_failures_per_minute": 10_000}
    settings = settings_for(tmp_path, temporal_port).model_copy(update=limits)
    async with serve_tenants(settings) as tenants:
        ids = (await tenants.acme.submit(), "conversation-none")
        wrong = [aio.Metadata(("authorization", value)) for value in _NO_KEYS]
        for method in _methods():
            requests = _requests(method, random, ids)
            refused = await asyncio.gather(
                *(_status(tenants.channel, method, request, random.choice(wrong)) for request in requests)
            )
            assert set(refused) == {grpc.StatusCode.UNAUTHENTICATED}, method.full_name
            if method.server_streaming:
                continue  # it would wait for a task that no worker takes
            for role in _ROLES:
                metadata = tenants.metadata("acme", role)
                ended = await asyncio.gather(
                    *(_status(tenants.channel, method, request, metadata) for request in requests)
                )
                allowed = _CLIENT_ERRORS | {grpc.StatusCode.PERMISSION_DENIED, *_NO_WORKER}
                assert set(ended) <= allowed, (method.full_name, role, set(ended) - allowed)
