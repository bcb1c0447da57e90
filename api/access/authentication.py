"""Find out who makes a request, by its API key or token, and for how long that holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentkit.access.access_errors import AccessError, CredentialInvalid, CredentialUncheckable, TokenExpired
from agentkit.access.api_keys import KEY_PREFIX
from agentkit.access.keys_file import KeysFile
from agentkit.access.rate_limits import RateLimits
from agentkit.principal import LOCAL_PRINCIPAL, Principal
from api.access.authentication_failures import AuthenticationFailures
from api.access.client_address import UNKNOWN_ADDRESS
from api.tasks.errors import AuthenticationUnavailable, NotAuthenticated, RequestsLimited

if TYPE_CHECKING:
    from agentkit.access.token_verifier import TokenVerifier

__all__ = ["RECHECK_INTERVAL_S", "Authentication", "Identity"]

RECHECK_INTERVAL_S = 15.0
"""How often the key or token of a request that goes on is checked again."""

_MISSING = "Send an API key or a token, as the header Authorization: Bearer KEY."


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes a request."""

    principal: Principal
    is_valid: Callable[[], bool] = lambda: True
    """Whether its key or token is accepted still."""


class Authentication:
    """Authenticates requests. Without keys every request is one of ``LOCAL_PRINCIPAL``."""

    def __init__(
        self,
        keys: KeysFile | None = None,
        tokens: TokenVerifier | None = None,
        limits: RateLimits | None = None,
        failures: AuthenticationFailures | None = None,
        *,
        recheck_interval_s: float = RECHECK_INTERVAL_S,
    ) -> None:
        """Accept the keys of a file and the tokens of an issuer, and count requests and failures."""
        self._keys = keys
        self._tokens = tokens
        self._limits = limits
        self._failures = failures
        self.recheck_interval_s = recheck_interval_s

    @property
    def is_on(self) -> bool:
        """Whether requests need a key or a token."""
        return self._keys is not None or self._tokens is not None

    async def identify(self, authorization: str | None, address: str = UNKNOWN_ADDRESS) -> Identity:
        """Return who sends this ``Authorization`` header from a client's address, after counting the request.

        Raises:
            NotAuthenticated: there is no key or token, or it isn't valid.
            AuthenticationUnavailable: it can't be checked now.
            RequestsLimited: the principal makes too many requests.
            AuthenticationFailuresLimited: the key or token isn't valid, and the address sends too many such ones. An
                expired token doesn't count, because clients send one before they get the next.
        """
        if not self.is_on:
            return Identity(LOCAL_PRINCIPAL)
        try:
            credential = _credential(authorization)
        except AccessError as error:
            raise NotAuthenticated(str(error)) from None
        try:
            identity = await self._identity(credential)
        except CredentialUncheckable as error:
            raise AuthenticationUnavailable(str(error)) from None
        except AccessError as error:
            if self._failures is not None and not isinstance(error, TokenExpired):
                self._failures.count(address)
            raise NotAuthenticated(str(error)) from None
        self._count(identity.principal)
        return identity

    async def _identity(self, credential: str) -> Identity:
        if self._tokens is not None and not credential.startswith(KEY_PREFIX):
            return await _token_identity(self._tokens, credential)
        if self._keys is None:
            raise CredentialInvalid("API keys aren't accepted here: send a token of the identity provider.")
        return _key_identity(self._keys, credential)

    def _count(self, principal: Principal) -> None:
        wait = self._limits.take((principal.tenant, principal.subject)) if self._limits else 0
        if wait:
            raise RequestsLimited(wait)


def _key_identity(keys: KeysFile, key: str) -> Identity:
    def is_valid() -> bool:
        try:
            keys.find(key)
        except AccessError:
            return False
        return True

    return Identity(keys.find(key).principal, is_valid)


async def _token_identity(tokens: TokenVerifier, token: str) -> Identity:
    verified = await tokens.verify(token)
    return Identity(verified.principal, lambda: not tokens.has_expired(verified))


def _credential(authorization: str | None) -> str:
    scheme, _, credential = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise CredentialInvalid(_MISSING)
    return credential.strip()
