"""``opspawn keys``: the keys that requests to the API need, and the keys that encrypt what tenants and users store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, get_args

import typer
from pydantic import JsonValue, TypeAdapter, ValidationError
from rich.text import Text

from activities.settings import Settings
from agentkit.access.api_keys import ApiKey, key_id, new_api_key
from agentkit.access.keys_file import MAX_VALID_KEYS, change_keys, read_keys
from agentkit.config.durations import Duration
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.principal import Role
from cli.errors import UsageWrong
from cli.views.console import err, printable, write_json, write_message, write_text
from cli.views.table import write_table
from cli.views.times import age, time_left

__all__ = ["keys"]

_ROLES: tuple[Role, ...] = get_args(Role)

keys = typer.Typer(no_args_is_help=True, help="Manage the keys that requests need, and tenants' encryption keys.")

_File = Annotated[
    Path | None, typer.Option("--file", metavar="PATH", help="The keys file. Default: OPSPAWN_KEYS_FILE.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="Who will use it: the name that answers and logs have.")],
    role: Annotated[list[str], typer.Option("--role", metavar="ROLE", help=f"{', '.join(_ROLES)}; may be repeated.")],
    tenant: Annotated[str, typer.Option("--tenant", help="Whose tasks it may see.")] = DEFAULT_TENANT,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="A group that approvers of policies name; may be repeated.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DURATION", help="Such as 90d. Default: never.")
    ] = None,
    file: _File = None,
    as_json: _AsJson = False,
) -> None:
    """Create a key, and print it once: only its hash is stored. A second one of the same name replaces it later."""
    path, now = _path(file), datetime.now(UTC)
    expires_at = None if expires is None else now + timedelta(seconds=_duration(expires))
    try:
        text, key = new_api_key(name, tenant, _roles(role), groups=group or (), now=now, expires_at=expires_at)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageWrong(f"--{str(first['loc'][0]).removesuffix('s')} {first['input']!r}: {first['msg']}") from None
    with change_keys(path) as stored:
        same = [other for other in stored if _is_same(other, key) and not other.has_expired(now)]
        if len(same) >= MAX_VALID_KEYS:
            ids = ", ".join(other.id for other in same)
            raise UsageWrong(
                f"{name} of tenant {tenant} has {len(same)} valid keys already ({ids}): revoke the one that isn't used "
                f"any more, with `opspawn keys revoke {same[0].id}`"
            )
        stored.append(key)
    if as_json:
        write_json({"key": text, **_key_json(key, now)})
        return
    write_message(err, f"Key {key.id} of {printable(name)}, tenant {tenant}. It is shown only now:")
    write_text(text)


@keys.command("list")
def list_keys(file: _File = None, as_json: _AsJson = False) -> None:
    """List the keys, without their text."""
    now = datetime.now(UTC)
    stored = sorted(read_keys(_path(file)), key=lambda key: (key.tenant, key.name, key.created_at))
    if as_json:
        listed: list[JsonValue] = [_key_json(key, now) for key in stored]
        write_json({"keys": listed})
        return
    headings = ("KEY", "TENANT", "ROLES", "AGE", "EXPIRES", "NAME")
    write_table(headings, [[Text(cell) for cell in _cells(key, now)] for key in stored], wraps=True)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `opspawn keys list` shows it.")],
    file: _File = None,
    as_json: _AsJson = False,
) -> None:
    """Revoke a key: requests with it are refused at once, and open event streams end within a minute."""
    path, wanted = _path(file), key_id(key) or key
    with change_keys(path) as stored:
        found = [other for other in stored if wanted == other.id] or [other for other in stored if wanted == other.name]
        if not found:
            raise UsageWrong(f"There is no key {wanted!r}: `opspawn keys list` shows those that there are")
        if len(found) > 1:
            ids = ", ".join(other.id for other in found)
            raise UsageWrong(f"{wanted} has {len(found)} keys: name one by its id ({ids})")
        stored.remove(found[0])
    if as_json:
        write_json({"revoked": found[0].id})
        return
    write_message(err, f"Revoked key {found[0].id} of {printable(found[0].name)}, tenant {found[0].tenant}.")


@keys.command("destroy")
def destroy_keys(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose data to erase, with that of all its users.")],
    user: Annotated[str | None, typer.Option("--user", help="Erase only the data of this user of the tenant.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without a question.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Erase all tasks and conversations of a tenant or user for good: destroy the keys that they are encrypted with.

    Those that run are terminated. It takes 40 seconds, until every process knows of it. Run it again if it fails.
    """
    from cli.key_destruction import destroy_owned_keys  # the other commands don't load what encrypts

    destroyed = destroy_owned_keys(Settings.load(), tenant, user, confirmed=yes)
    if as_json:
        write_json({"destroyed": [*destroyed.references], "terminated": destroyed.terminated})
        return
    forget = "--tenant" if user is None else f"--user {printable(user)}"
    write_message(
        err,
        f"Keys destroyed: {len(destroyed.references)}. Running tasks and conversations terminated: "
        f"{destroyed.terminated}. "
        f"Long-term memory isn't encrypted with these keys: erase it with `opspawn memory forget --all {forget}`. "
        f"Delete the keys in backups of {destroyed.location}, too.",
    )


@keys.command("rewrap")
def rewrap_keys(as_json: _AsJson = False) -> None:
    """Wrap the keys of tenants with the first of OPSPAWN_ENCRYPTION_KEYS, before an older one is removed."""
    from cli.key_destruction import rewrap_tenant_keys

    count = rewrap_tenant_keys(Settings.load())
    if as_json:
        write_json({"rewrapped": count})
        return
    write_message(err, f"Keys of tenants and users rewrapped: {count}.")


def _path(file: Path | None) -> Path:
    path = file or Settings.load().keys_file
    if path is None:
        raise UsageWrong("No keys file is named: set OPSPAWN_KEYS_FILE to its path, for the API as well, or use --file")
    return path


def _roles(names: list[str]) -> list[Role]:
    roles = [role for role in _ROLES if role in names]
    unknown = [name for name in names if name not in _ROLES]
    if unknown:
        raise UsageWrong(f"--role {unknown[0]}: expected one of {', '.join(_ROLES)}")
    return roles


def _duration(text: str) -> float:
    try:
        return TypeAdapter[float](Duration).validate_python(text)
    except ValidationError as error:
        raise UsageWrong(f"--expires {text}: {error.errors(include_url=False)[0]['msg']}") from None


def _is_same(one: ApiKey, other: ApiKey) -> bool:
    return (one.tenant, one.name) == (other.tenant, other.name)


def _cells(key: ApiKey, now: datetime) -> tuple[str, ...]:
    expires = "expired" if key.has_expired(now) else time_left(key.expires_at) or "never"
    return key.id, key.tenant, ", ".join(key.roles), age(key.created_at), expires, printable(key.name)


def _key_json(key: ApiKey, now: datetime) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = key.model_dump(mode="json", exclude={"sha256"})
    return {**shown, "expired": key.has_expired(now)}
