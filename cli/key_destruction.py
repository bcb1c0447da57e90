"""Erase what tenants and users have left in Temporal and in payload storage, by destroying their keys."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import typer
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ERASURE_TYPES
from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.encrypted_payloads import key_reference
from activities.temporal.payload_encryption import PayloadEncryption
from activities.temporal.payload_storage import FILES_DIRECTORY, OWNER_FILE, PayloadStorageFailed
from activities.temporal.tenant_encryption_keys import MAX_KEY_AGE_S, OwnedKey, TenantEncryptionKeys
from cli.errors import CommandFailed, UsageWrong
from cli.temporal_checks import connect_to_temporal
from cli.views.console import printable
from workflows.conversations.conversation_types import CONVERSATION_TYPE
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["DestroyedKeys", "KeyDestruction", "destroy_owned_keys", "rewrap_tenant_keys"]

_RPC_TIMEOUT = timedelta(seconds=10)
_TYPES = ", ".join(f"'{name}'" for name in (WORKFLOW_TYPE, CONVERSATION_TYPE, *ERASURE_TYPES))
_RUNNING = f"WorkflowType IN ({_TYPES}) AND ExecutionStatus = 'Running'"
_REASON = "The key of its tenant or user was destroyed."


@dataclass(frozen=True, slots=True)
class DestroyedKeys:
    """What ``opspawn keys destroy`` has done."""

    references: tuple[str, ...]
    terminated: int
    """How many tasks and conversations ran."""
    place: str
    """Where the keys were."""


def destroy_owned_keys(settings: Settings, tenant: str, user: str | None, *, confirmed: bool) -> DestroyedKeys:
    """Destroy the keys of a tenant and its users, or of one ``user``; ask first, unless it is ``confirmed``.

    Raises:
        UsageWrong: there is no key, or none is set that unwraps them.
        ServerUnreachable: Temporal doesn't respond; nothing was destroyed.
        CommandFailed: the question wasn't confirmed, or not everything could be done.
    """
    keys = _tenant_keys(settings)
    owner = f"tenant {printable(tenant)}" if user is None else f"user {printable(user)} of tenant {printable(tenant)}"
    try:
        owned = asyncio.run(keys.owned_by(tenant, user))
    except PayloadStorageFailed as error:
        raise CommandFailed(str(error)) from error
    if not owned:
        raise UsageWrong(f"There is no key of {owner} in {keys.place}: nothing is encrypted with one")
    question = (
        f"Erase all tasks and conversations of {owner}, with their keys ({len(owned)})? Nothing brings them back."
    )
    if not confirmed and not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was destroyed.")
    try:
        terminated = asyncio.run(_destroy(settings, keys, owned))
    except (PayloadStorageFailed, RPCError) as error:
        raise CommandFailed(f"{error}. Correct that, and run the command again.") from error
    return DestroyedKeys(tuple(key.reference for key in owned), terminated, keys.place)


def rewrap_tenant_keys(settings: Settings) -> int:
    """Wrap all keys of tenants and users with the first of ``encryption_keys``; return how many had another one.

    Raises:
        UsageWrong: no key is set that unwraps them.
        CommandFailed: a key can't be unwrapped or written.
    """
    try:
        return asyncio.run(_tenant_keys(settings).rewrap())
    except PayloadStorageFailed as error:
        raise CommandFailed(str(error)) from error


async def _destroy(settings: Settings, keys: TenantEncryptionKeys, owned: Sequence[OwnedKey]) -> int:
    client = await connect_to_temporal(settings)
    return await KeyDestruction(client, keys, settings.data_dir / "payloads").destroy(owned)


def _tenant_keys(settings: Settings) -> TenantEncryptionKeys:
    codec = data_converter(settings).payload_codec
    if not isinstance(codec, PayloadEncryption):
        raise UsageWrong("Payloads aren't encrypted: set OPSPAWN_ENCRYPTION_KEYS as for the API and the workers")
    return codec.tenant_keys


@dataclass(frozen=True)
class KeyDestruction:
    """Destroys keys, and terminates what runs with them: a workflow can't go on, nor fail, without its history."""

    client: Client
    keys: TenantEncryptionKeys
    payloads: Path
    """The directory of stored payloads, which has the files of tasks, too."""
    known_after_s: float = MAX_KEY_AGE_S
    """After how many seconds no process uses a destroyed key any more."""

    async def destroy(self, owned: Collection[OwnedKey]) -> int:
        """Terminate the tasks that use these keys, destroy the keys, and delete the tasks' files; return how many ran.

        Until ``known_after_s`` has passed, others may start with a destroyed key: those are terminated after that.
        Where it fails before a key is destroyed, it can be repeated.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
            PayloadStorageFailed: a key can't be replaced.
        """
        references = {key.reference for key in owned}
        ended = await self._terminate(references)
        for reference in references:
            await self.keys.destroy(reference)
        await asyncio.sleep(self.known_after_s)
        ended += await self._terminate(references)
        for directory in self._directories(references):
            shutil.rmtree(directory / FILES_DIRECTORY, ignore_errors=True)
        return ended

    async def _terminate(self, references: Collection[str]) -> int:
        ended = 0
        async for execution in self.client.list_workflows(_RUNNING, rpc_timeout=_RPC_TIMEOUT):
            if key_reference(execution.id) in references:
                handle = self.client.get_workflow_handle(execution.id)
                try:
                    await handle.terminate(reason=_REASON, rpc_timeout=_RPC_TIMEOUT)
                except RPCError as error:
                    if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended by itself
                        raise
                else:
                    ended += 1
        return ended

    def _directories(self, references: Collection[str]) -> Iterator[Path]:
        """Yield the directories of the payloads of workflows that use these keys."""
        for path in self.payloads.glob(f"*/*/{OWNER_FILE}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if key_reference(str(json.loads(path.read_bytes())["workflow_id"])) in references:
                    yield path.parent
