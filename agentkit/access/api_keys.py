"""API keys: 256 random bits each, of which only the SHA-256 is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, Field

from agentkit.interfaces import DEFAULT_TENANT
from agentkit.principal import Principal, Role
from agentkit.records import Record

__all__ = ["KEY_PREFIX", "ApiKey", "CreatedKey", "GroupName", "SubjectName", "TenantName", "key_id", "new_api_key"]

KEY_PREFIX = "opspawn_"
"""Of every key, so that scanners of repositories and logs recognize one."""

_ID_BYTES = 4
_SECRET_BYTES = 32
_KEY = re.compile(rf"{KEY_PREFIX}([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}")


def _check_name(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("expected printable characters, without spaces at either end")
    return name


TenantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Letters, digits, dots, dashes and underscores, at most 64."""

SubjectName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_name)]
"""The name of a person or program."""

GroupName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_check_name)]


class ApiKey(Record):
    """One key of a keys file, as far as it is stored: without the key's text."""

    id: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{2 * _ID_BYTES}}}$")]
    """The first part of the key's text: what lists show, and what a key is revoked by."""
    name: SubjectName
    """Who uses it: the subject of its requests."""
    tenant: TenantName = DEFAULT_TENANT
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    groups: tuple[GroupName, ...] = ()
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the key's text, in hexadecimal digits."""
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None

    @property
    def principal(self) -> Principal:
        """Who makes requests with this key."""
        return Principal(subject=self.name, tenant=self.tenant, roles=frozenset(self.roles), groups=self.groups)

    def fits(self, text: str) -> bool:
        """Return whether ``text`` is this key, in a time that doesn't depend on where they differ."""
        return hmac.compare_digest(_sha256(text), self.sha256)

    def has_expired(self, now: datetime) -> bool:
        """Return whether the key isn't valid any more at ``now``."""
        return self.expires_at is not None and now >= self.expires_at


class CreatedKey(NamedTuple):
    """A new key with its text, which is stored nowhere."""

    text: str
    key: ApiKey

    def __repr__(self) -> str:
        return f"CreatedKey(key={self.key!r})"


def new_api_key(
    name: str,
    tenant: str,
    roles: Sequence[Role],
    *,
    groups: Sequence[str] = (),
    now: datetime,
    expires_at: datetime | None = None,
) -> CreatedKey:
    """Return a new random key.

    Raises:
        pydantic.ValidationError: a name isn't valid.
    """
    identifier = secrets.token_hex(_ID_BYTES)
    text = f"{KEY_PREFIX}{identifier}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = ApiKey(
        id=identifier,
        name=name,
        tenant=tenant,
        roles=tuple(dict.fromkeys(roles)),
        groups=tuple(groups),
        sha256=_sha256(text),
        created_at=now,
        expires_at=expires_at,
    )
    return CreatedKey(text, key)


def key_id(text: str) -> str | None:
    """Return the id in a key's text; None where it isn't the text of a key."""
    found = _KEY.fullmatch(text)
    return found and found[1]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
