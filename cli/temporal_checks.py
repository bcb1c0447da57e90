"""Connect to a Temporal server, check and register its search attributes."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.shell_commands import opspawn_command
from activities.temporal.client import connect, temporal_address
from cli.errors import CommandFailed, ServerUnreachable, UsageWrong
from workflows.search_attributes import SEARCH_ATTRIBUTES

__all__ = [
    "connect_to_temporal",
    "host_and_port",
    "missing_search_attributes",
    "register_search_attributes",
]

_TIMEOUT = timedelta(seconds=5)
_EXPECTED = {key.name: IndexedValueType.ValueType(int(key.indexed_value_type)) for key in SEARCH_ATTRIBUTES}


def host_and_port(address: str) -> tuple[str, int]:
    """Split the address of a Temporal server.

    Raises:
        UsageWrong: it isn't ``host:port``.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageWrong(f"TEMPORAL_ADDRESS {str(address)!r}: expected host:port, such as 127.0.0.1:7233")
    return host, int(port)


async def connect_to_temporal(settings: Settings, *, address: str | None = None, timeout_s: float = 5.0) -> Client:
    """Return a connected client of Temporal at ``address``, else at the configured one.

    Raises:
        ServerUnreachable: no Temporal server responds there; the message names the address.
    """
    address = address or temporal_address(settings)
    try:
        async with asyncio.timeout(timeout_s):
            return await connect(settings, address=address)
    except TimeoutError:
        reason = f"no response within {timeout_s:g} s"
    except RuntimeError as error:
        reason = _root_cause(str(error))
    is_here = address.startswith(("127.0.0.1:", "localhost:"))
    start = f"Start one with `{opspawn_command('dev')}`" if is_here else "Start it"
    raise ServerUnreachable(
        f"Temporal can't be reached at {address} ({reason}). {start}, or name another with TEMPORAL_ADDRESS."
    )


async def missing_search_attributes(client: Client) -> dict[str, IndexedValueType.ValueType]:
    """Return the search attributes that aren't registered yet, with their types.

    Raises:
        CommandFailed: Temporal refuses to list them, or one is registered with another type.
    """
    try:
        response = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=_TIMEOUT
        )
    except RPCError as error:
        raise _operator_error("list", client, error) from None
    registered = response.custom_attributes
    for name, kind in _EXPECTED.items():
        if registered.get(name, kind) != kind:
            raise CommandFailed(
                f"Search attribute {name} is registered as {IndexedValueType.Name(registered[name])}, "
                f"but Opspawn needs {IndexedValueType.Name(kind)}. "
                "Remove it there, or use another namespace (TEMPORAL_NAMESPACE)."
            )
    return {name: kind for name, kind in _EXPECTED.items() if name not in registered}


async def register_search_attributes(client: Client) -> list[str]:
    """Register the search attributes that are missing, and return their names.

    Raises:
        CommandFailed: Temporal refuses; the message names who can do it, and how.
    """
    missing = await missing_search_attributes(client)
    if not missing:
        return []
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
    try:
        await client.operator_service.add_search_attributes(request, timeout=_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise _operator_error("add", client, error) from None
    return sorted(missing)


def _root_cause(reason: str) -> str:
    """Return the message of the operating system or of TLS inside the SDK's nested error."""
    inner = re.search(r'message: "([^"]+)"', reason)
    return inner[1] if inner else reason.splitlines()[0]


def _operator_error(verb: str, client: Client, error: RPCError) -> CommandFailed:
    names = ", ".join(f"{name} ({IndexedValueType.Name(kind)})" for name, kind in _EXPECTED.items())
    place = f"namespace {client.namespace!r} at {client.service_client.config.target_host}"
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED):
        return CommandFailed(
            f"Not allowed to {verb} search attributes of {place}: {error.message}. "
            f"Have an administrator of it register: {names}"
        )
    if error.status is RPCStatusCode.NOT_FOUND:
        return CommandFailed(f"There is no {place}: {error.message}. Make it, or set TEMPORAL_NAMESPACE.")
    return CommandFailed(f"Temporal refused to {verb} search attributes of {place}: {error.message}")
