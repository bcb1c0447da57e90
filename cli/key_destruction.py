"""Erase what tenants and users have left in Temporal and in payload storage, by destroying their keys."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import typer
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.encryption.encrypted_payloads import key_reference
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from activities.temporal.encryption.tenant_encryption_keys import (
    MAX_KEY_AGE_S,
    KeySearch,
    OwnedKey,
    TenantEncryptionKeys,
)
from activities.temporal.payload_storage import FILES_DIRECTORY, OWNER_FILE, PayloadStorageFailed
from cli.errors import CommandFailed, UsageWrong
from cli.temporal_checks import connect_to_temporal
from cli.views.console import printable
from workflows.conversations.conversation_types import CONVERSATION_TYPE
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["DestroyedKeys", "KeyDestruction", "destroy_owned_keys", "rewrap_tenant_keys"]

_RPC_TIMEOUT = timedelta(seconds=10)
_TYPES = ", ".join(f"'{name}'" for name in (WORKFLOW_TYPE, CONVERSATION_TYPE))
_RUNNING = f"WorkflowType IN ({_TYPES}) AND ExecutionStatus = 'Running'"
_QUIET_LOOKS = 2
"""After how many looks that found nothing, Temporal's lists are complete: they lag behind by a moment."""
_LOOK_INTERVAL_S = 2.0
_CACHE_EXPIRY_S = MAX_KEY_AGE_S + 5.0
"""With the time of a request to Temporal, which a process may have encrypted just before it knew."""
_MAX_SHOWN_PROBLEMS = 10
_REASON = "The key of its tenant or user was destroyed."


@dataclass(frozen=True, slots=True)
class DestroyedKeys:
    """What ``opspawn keys destroy`` has done."""

    references: tuple[str, ...]
    terminated: int
    """How many tasks and conversations ran."""
    problems: tuple[str, ...]
    """Files that couldn't be deleted, and keys that can't be read: a sentence each."""
    location: str
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
        found = asyncio.run(keys.owned_by(tenant, user))
    except PayloadStorageFailed as error:
        raise CommandFailed(str(error)) from error
    if not found.keys and found.problems:
        raise CommandFailed(f"Nothing was destroyed. {_text_of(found.problems)}")
    if not found.keys:
        raise UsageWrong(f"There is no key of {owner} in {keys.location}: nothing is encrypted with one")
    question = (
        f"Erase all tasks and conversations of {owner}, with their keys ({len(found.keys)})? Nothing brings them back."
    )
    if not confirmed and not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was destroyed.")
    try:
        destroyed = asyncio.run(_destroy(settings, keys, found))
    except (PayloadStorageFailed, RPCError) as error:
        raise CommandFailed(f"{error}. Correct that, and run the command again.") from error
    if destroyed.problems:
        count = len(destroyed.references)
        text = f"Keys destroyed: {count}, but not all was erased. {_text_of(destroyed.problems)}"
        raise CommandFailed(f"{text} Correct that, and run the command again.")
    return destroyed


def rewrap_tenant_keys(settings: Settings) -> int:
    """Wrap all keys of tenants and users with the first of ``encryption_keys``; return how many had another one.

    Raises:
        UsageWrong: no key is set that unwraps them.
        CommandFailed: a key can't be unwrapped or written.
    """
    try:
        count, problems = asyncio.run(_tenant_keys(settings).rewrap())
    except PayloadStorageFailed as error:
        raise CommandFailed(str(error)) from error
    if problems:
        raise CommandFailed(f"Keys rewrapped: {count}, but not all. {_text_of(problems)}")
    return count


async def _destroy(settings: Settings, keys: TenantEncryptionKeys, found: KeySearch) -> DestroyedKeys:
    client = await connect_to_temporal(settings)
    destroyed = await KeyDestruction(client, keys, settings.data_dir / "payloads").destroy(found.keys)
    return replace(destroyed, problems=(*found.problems, *destroyed.problems))


def _text_of(problems: Sequence[str]) -> str:
    shown, more = problems[:_MAX_SHOWN_PROBLEMS], len(problems) - _MAX_SHOWN_PROBLEMS
    return " ".join((*shown, *([f"And {more} more."] if more > 0 else [])))


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
    cache_expiry_s: float = _CACHE_EXPIRY_S
    """After how many seconds nothing arrives that is encrypted with a destroyed key any more."""
    look_interval_s: float = _LOOK_INTERVAL_S

    async def destroy(self, owned: Collection[OwnedKey]) -> DestroyedKeys:
        """Terminate the tasks that use these keys, delete the tasks' files, and destroy the keys.

        Until ``cache_expiry_s`` has passed, others may start with a destroyed key, and write files: those are
        terminated and deleted after that. What fails can be repeated, from wherever it was interrupted.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
            PayloadStorageFailed: a key can't be replaced.
        """
        references = {key.reference for key in owned}
        terminated = await self._terminate(references)
        self._delete_files(references)  # what can't be deleted is reported at the end
        for key in owned:
            await self.keys.destroy(key)
        await asyncio.sleep(self.cache_expiry_s)
        terminated += await self._terminate(references)
        problems = self._delete_files(references)
        return DestroyedKeys(tuple(sorted(references)), terminated, tuple(problems), self.keys.location)

    async def _terminate(self, references: Collection[str]) -> int:
        """Terminate what runs, until nothing does; return how many ran."""
        terminated = quiet = 0
        while True:
            found = await self._terminate_listed(references)
            terminated += found
            quiet = 0 if found else quiet + 1
            if quiet == _QUIET_LOOKS:
                return terminated
            await asyncio.sleep(self.look_interval_s)

    async def _terminate_listed(self, references: Collection[str]) -> int:
        terminated = 0
        async for execution in self.client.list_workflows(_RUNNING, rpc_timeout=_RPC_TIMEOUT):
            if key_reference(execution.id) in references:
                handle = self.client.get_workflow_handle(execution.id)
                try:
                    await handle.terminate(reason=_REASON, rpc_timeout=_RPC_TIMEOUT)
                except RPCError as error:
                    if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended by itself
                        raise
                else:
                    terminated += 1
        return terminated

    def _delete_files(self, references: Collection[str]) -> list[str]:
        """Delete the files of tasks that use these keys; return a sentence for each that can't be deleted."""
        problems: list[str] = []

        def add_problem(_: object, path: str, failed: tuple[type[BaseException], BaseException, object]) -> None:
            if not isinstance(failed[1], FileNotFoundError):
                problems.append(_problem(path, failed[1]))

        for owner in self.payloads.glob(f"*/*/{OWNER_FILE}"):
            try:
                is_owned = key_reference(str(json.loads(owner.read_bytes())["workflow_id"])) in references
            except OSError as error:
                add_problem(None, str(owner), (type(error), error, None))
            except (ValueError, KeyError, TypeError):  # not of Opspawn
                continue
            else:
                if is_owned:
                    shutil.rmtree(owner.parent / FILES_DIRECTORY, onerror=add_problem)
        return problems


def _problem(path: str, error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{path} can't be deleted ({reason})."
