"""Make the authentication that the settings ask for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from activities.settings import Settings
from agentkit.access.keys_file import KeysFile
from agentkit.access.rate_limits import RateLimits
from agentkit.access.token_rules import TokenRules
from api.access.authentication import Authentication
from api.access.authentication_failures import AuthenticationFailures

if TYPE_CHECKING:
    from agentkit.access.token_verifier import FetchDocument, TokenVerifier

__all__ = ["authentication_of"]


def authentication_of(settings: Settings) -> Authentication:
    """Return the configured authentication, which is off without a keys file and without an issuer of tokens.

    Raises:
        ConfigurationInvalid: the keys file is missing or wrong.
    """
    if not settings.needs_keys:
        return Authentication()
    keys = KeysFile(settings.keys_file) if settings.keys_file is not None else None
    limits = RateLimits(settings.rate_limit, settings.rate_burst)
    failures = AuthenticationFailures(settings.authentication_failures_per_minute)
    return Authentication(keys, _verifier(settings), limits, failures)


def _verifier(settings: Settings) -> TokenVerifier | None:
    """Return the verifier of tokens, whose modules are imported only where there is one."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    # by name: nothing that api imports may reach an HTTP client, and without tokens neither is loaded
    fetch: FetchDocument = import_module("agentkit.access.document_fetch").fetch_document
    verifier: type[TokenVerifier] = import_module("agentkit.access.token_verifier").TokenVerifier
    rules = TokenRules(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        jwks_url=settings.oidc_jwks_url,
        clock_skew_s=settings.oidc_clock_skew,
        subject_claim=settings.oidc_subject_claim,
        tenant_claim=settings.oidc_tenant_claim,
        roles_claim=settings.oidc_roles_claim,
        groups_claim=settings.oidc_groups_claim,
        role_names=settings.oidc_roles,
    )
    return verifier(rules, fetch)
