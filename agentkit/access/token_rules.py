"""What tokens of an identity provider must have, and how their claims make a principal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from agentkit.access.access_errors import CredentialInvalid
from agentkit.access.api_keys import GroupName, SubjectName, TenantName
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.principal import Principal, Role
from agentkit.records import Record

__all__ = ["TokenRules", "principal_of"]

_ROLES: tuple[Role, ...] = get_args(Role)
_MAX_GROUPS = 200
_SUBJECT: TypeAdapter[str] = TypeAdapter(SubjectName)
_TENANT: TypeAdapter[str] = TypeAdapter(TenantName)
_GROUP: TypeAdapter[str] = TypeAdapter(GroupName)
_OPTIONAL_TENANT_CLAIM = "tenant"


class TokenRules(Record):
    """The settings of one identity provider. A claim inside another one is written ``realm_access.roles``."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    """Where its public keys are; None: where ``ISSUER/.well-known/openid-configuration`` says."""
    clock_skew_s: int = 60
    """How far the clocks of the provider and of this machine may differ."""
    subject_claim: str = "sub"
    tenant_claim: str | None = None
    """None: ``tenant``, or the default tenant where a token has no such claim."""
    roles_claim: str = "roles"
    groups_claim: str = "groups"
    role_names: dict[str, Role] = Field(default_factory=dict)
    """Our role for each name in ``roles_claim``; our own names mean themselves."""


def principal_of(claims: Mapping[str, Any], rules: TokenRules) -> Principal:
    """Return who a valid token is of. Names of roles that aren't known give none.

    Raises:
        CredentialInvalid: a claim is missing or can't be used.
    """
    return Principal(
        subject=_name(_SUBJECT, claims, rules.subject_claim),
        tenant=_tenant(claims, rules),
        roles=frozenset(_roles(_names(claims, rules.roles_claim), rules.role_names)),
        groups=tuple(_groups(_names(claims, rules.groups_claim))),
    )


def _tenant(claims: Mapping[str, Any], rules: TokenRules) -> str:
    if rules.tenant_claim is not None:
        return _name(_TENANT, claims, rules.tenant_claim)
    if _claim(claims, _OPTIONAL_TENANT_CLAIM) is None:
        return DEFAULT_TENANT
    return _name(_TENANT, claims, _OPTIONAL_TENANT_CLAIM)


def _name(kind: TypeAdapter[str], claims: Mapping[str, Any], claim: str) -> str:
    try:
        return kind.validate_python(_claim(claims, claim), strict=True)
    except ValidationError:
        raise CredentialInvalid(f"The token's claim {claim} is missing, or can't be used here.") from None


def _roles(names: list[str], role_names: Mapping[str, Role]) -> list[Role]:
    known: dict[str, Role] = {role: role for role in _ROLES}
    known.update(role_names)
    return [known[name] for name in names if name in known]


def _groups(names: list[str]) -> list[str]:
    groups = []
    for name in names[:_MAX_GROUPS]:
        try:
            groups.append(_GROUP.validate_python(name))
        except ValidationError:  # no policy can name it
            continue
    return groups


def _names(claims: Mapping[str, Any], claim: str) -> list[str]:
    """Return the texts of a claim: a list, or words with spaces between them."""
    value = _claim(claims, claim)
    if isinstance(value, str):
        return value.split()
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:  # a URL, which has dots
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
