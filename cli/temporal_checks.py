"""What the commands ask of Temporal itself: does it answer, are the search attributes there, does a worker poll."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.temporal.client import connect, temporal_address
from cli.errors import CommandFailed, ServerUnreachable, UsageWrong
from workflows.search_attributes import SEARCH_ATTRIBUTES

__all__ = ["host_and_port", "missing_search_attributes", "polling_workers", "reach", "register_search_attributes"]

_TIMEOUT = timedelta(seconds=5)
_EXPECTED = {key.name: IndexedValueType.ValueType(int(key.indexed_value_type)) for key in SEARCH_ATTRIBUTES}


def host_and_port(settings: Settings) -> tuple[str, int]:
    """Return where Temporal is.

    Raises:
        UsageWrong: the environment names no ``host:port``.
    """
    address = temporal_address(settings)
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageWrong(f"TEMPORAL_ADDRESS {str(address)!r}: expected host:port, such as 127.0.0.1:7233")
    return host, int(port)


async def reach(settings: Settings, *, seconds: float = 5.0) -> Client:
    """Return a client of the configured Temporal, connected.

    Raises:
        ServerUnreachable: nothing answers there as Temporal does; the message names the address.
    """
    address = temporal_address(settings)
    try:
        async with asyncio.timeout(seconds):
            return await connect(settings)
    except TimeoutError:
        reason = f"no answer within {seconds:g} s"
    except RuntimeError as error:
        reason = _short(str(error))
    raise ServerUnreachable(
        f"Temporal can't be reached at {address} ({reason}). "
        "Start one with `opspawn dev`, or name another with TEMPORAL_ADDRESS."
    )


async def missing_search_attributes(client: Client) -> dict[str, IndexedValueType.ValueType]:
    """Return which search attributes aren't registered yet.

    Raises:
        CommandFailed: Temporal won't say, or one is registered with another type.
    """
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=_TIMEOUT
        )
    except RPCError as error:
        raise _refused("list", client, error) from None
    there = listed.custom_attributes
    for name, kind in _EXPECTED.items():
        if name in there and there[name] != kind:
            raise CommandFailed(
                f"Search attribute {name} is registered as {IndexedValueType.Name(there[name])}, but Opspawn needs "
                f"{IndexedValueType.Name(kind)}. Remove it there, or use another namespace (TEMPORAL_NAMESPACE)."
            )
    return {name: kind for name, kind in _EXPECTED.items() if name not in there}


async def register_search_attributes(client: Client) -> list[str]:
    """Register the search attributes that are missing, and return their names.

    Raises:
        CommandFailed: Temporal refuses; the message says who can do it, and how.
    """
    missing = await missing_search_attributes(client)
    if not missing:
        return []
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
    try:
        await client.operator_service.add_search_attributes(request, timeout=_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise _refused("add", client, error) from None
    return sorted(missing)


async def polling_workers(client: Client, task_queue: str) -> list[str]:
    """Return the identities of the workers that polled the task queue lately."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=_TIMEOUT,
    )
    return sorted({poller.identity for poller in described.pollers})


def _short(reason: str) -> str:
    """Return what an operating system or TLS error says, without the layers that it went through."""
    said = re.search(r'message: "([^"]+)"', reason)
    return said[1] if said else reason.splitlines()[0]


def _refused(doing: str, client: Client, error: RPCError) -> CommandFailed:
    names = ", ".join(f"{name} ({IndexedValueType.Name(kind)})" for name, kind in _EXPECTED.items())
    where = f"namespace {client.namespace!r} at {client.service_client.config.target_host}"
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED):
        return CommandFailed(
            f"Not allowed to {doing} search attributes of {where}: {error.message}. "
            f"Have an administrator of it register: {names}"
        )
    if error.status is RPCStatusCode.NOT_FOUND:
        return CommandFailed(f"There is no {where}: {error.message}. Make it, or set TEMPORAL_NAMESPACE.")
    return CommandFailed(f"Temporal would not {doing} search attributes of {where}: {error.message}")
