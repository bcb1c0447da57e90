"""Requests about memories, with all validation rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from agentkit.access.api_keys import TenantName
from agentkit.interfaces import DEFAULT_USER, MAX_MEMORY_CHARS, MemoryChanges, MemoryScope
from agentkit.specs import Name
from api.tasks.requests.request_validation import ServiceRequest
from api.tasks.requests.task_requests import NO_CONTROLS, RequestTime

__all__ = [
    "MAX_FOUND",
    "MEMORY_TENANT",
    "ExistingMemoryRequest",
    "MemoryChange",
    "MemoryListRequest",
    "MemorySearchRequest",
    "NewMemoryRequest",
    "ScopeRequest",
    "TenantScopeRequest",
    "parse_scope",
]

MAX_FOUND = 100
"""The most memories that a search returns."""
MEMORY_TENANT = "Whose memories. For administrators; others may name their own tenant only."
"""The description of a parameter."""

_ONE_SCOPE = "Give one of user, agent and scope"
_SCOPE_PATTERN = r"^(tenant|user/[^\x00-\x1f\x7f]{1,255}|agent/[A-Za-z][A-Za-z0-9_-]{0,63})$"

_User = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROLS)]
_Scope = Annotated[str, StringConstraints(pattern=_SCOPE_PATTERN)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MEMORY_CHARS, pattern=r"\S")]
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MetadataValue = Annotated[str, StringConstraints(max_length=1024)]
_Metadata = Annotated[dict[_MetadataKey, _MetadataValue], Field(max_length=50)]


def _in_future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError(f"{moment.isoformat()} is past: a memory that expires then is gone at once. Give a later time")
    return moment


_Expiry = Annotated[RequestTime, AfterValidator(_in_future)]


def parse_scope(text: str) -> MemoryScope:
    """Return the scope of a text such as ``user/ada``, the inverse of ``str(scope)``; the text was validated before."""
    kind, _, owner = text.partition("/")
    return MemoryScope.model_validate({"kind": kind, "owner": owner})


class ScopeRequest(ServiceRequest):
    """Whose memories they are: those of a user, of an agent, or of all."""

    user: _User | None = Field(default=None, description=f"A user. Without any of the three: {DEFAULT_USER!r}.")
    agent: Name | None = Field(default=None, description="An agent, for memories that all of its users share.")
    scope: _Scope | None = Field(
        default=None, description="The same as text: `user/NAME`, `agent/NAME`, or `tenant` for those of all."
    )

    @field_validator("agent", "scope")  # of fields, so that the error names the one that is too many
    @classmethod
    def _one_scope(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and any(info.data.get(name) is not None for name in ("user", "agent")):
            raise ValueError(_ONE_SCOPE)
        return value

    @property
    def given_scope(self) -> MemoryScope | None:
        """The scope that the request names; None: it names none."""
        if self.scope is not None:
            return parse_scope(self.scope)
        if self.agent is not None:
            return MemoryScope(kind="agent", owner=self.agent)
        return None if self.user is None else MemoryScope(kind="user", owner=self.user)

    @property
    def chosen_scope(self) -> MemoryScope:
        """The scope that the request names, else that of the default user."""
        return self.given_scope or MemoryScope(kind="user", owner=DEFAULT_USER)


class TenantScopeRequest(ScopeRequest):
    """Whose memories they are, and of which tenant."""

    tenant: TenantName | None = Field(default=None, description=MEMORY_TENANT)


class MemoryListRequest(TenantScopeRequest):
    """Which memories to list, and which page."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(
        default=None,
        max_length=2000,
        description="`next_cursor` of the page before, with the same scope.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    )


class MemorySearchRequest(TenantScopeRequest):
    """What to search for."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=MAX_MEMORY_CHARS, pattern=r"\S")] = Field(
        description="What the memories are to be about: a question, or words in them."
    )
    limit: int = Field(default=10, ge=1, le=MAX_FOUND)


class NewMemoryRequest(ScopeRequest):
    """A text to remember."""

    text: _Text
    metadata: _Metadata = Field(default_factory=dict)
    expires_at: _Expiry | None = Field(default=None, description="When it is forgotten by itself, in the future.")


class MemoryChange(ServiceRequest):
    """Changes of a memory; what is left out stays."""

    text: _Text | None = None
    metadata: _Metadata | None = Field(default=None, description="In place of all earlier ones.")
    expires_at: _Expiry | None = Field(
        default=None, description="When it is forgotten by itself, in the future; `null`: never, whatever it was."
    )

    @model_validator(mode="after")
    def _any_change(self) -> Self:
        if self.text is None and self.metadata is None and "expires_at" not in self.model_fields_set:
            raise ValueError("Give text, metadata or expires_at")
        return self

    @property
    def changes(self) -> MemoryChanges:
        """The changes, for the memory's store."""
        changes = MemoryChanges(text=self.text, metadata=self.metadata, expires_at=self.expires_at)
        removes_expiry = "expires_at" in self.model_fields_set and self.expires_at is None
        return changes.model_copy(update={"expires_at": "never"}) if removes_expiry else changes


class ExistingMemoryRequest(TenantScopeRequest):
    """Where a memory is, beside its id: without a scope, in whichever scope has it."""
