"""Verify signed tokens (JWT) of an identity provider (OpenID Connect) by its public keys."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from agentkit.access.access_errors import CredentialInvalid, CredentialUncheckable, TokenExpired
from agentkit.access.token_rules import TokenRules, principal_of
from agentkit.principal import Principal

__all__ = ["FetchDocument", "TokenVerifier", "VerifiedToken"]

logger = logging.getLogger(__name__)

FetchDocument = Callable[[str], Awaitable[bytes]]
"""Return the document at a URL; raise ``OSError`` or ``ValueError`` where it can't."""

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by private keys: neither ``none``, nor those for which the public key would serve as a password."""
_REFETCH_INTERVAL_S = 30.0
"""The least time between two requests for the provider's keys, whatever tokens are sent."""
_MAX_AGE_S = 3_600.0
"""Age at which the keys are fetched again, so that one that was withdrawn isn't accepted for ever."""
_MAX_TOKEN_CHARS = 16_384


class VerifiedToken(NamedTuple):
    """A valid token: who it is of, and until when."""

    principal: Principal
    expires_at: float
    """Unix time, with the clock skew that is allowed."""


class TokenVerifier:
    """Verifies the tokens of one issuer. Its keys are fetched when the first token comes."""

    def __init__(
        self,
        rules: TokenRules,
        fetch: FetchDocument,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Verify by ``rules``, with keys that ``fetch`` returns; ``now`` is Unix time, ``clock`` measures intervals."""
        self._rules = rules
        self._fetch = fetch
        self._now = now
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._next_fetch_at: float | None = None
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=rules.clock_skew_s,
            iss={"essential": True, "value": rules.issuer},
            aud={"essential": True, "value": rules.audience},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> VerifiedToken:
        """Return who a token is of.

        Raises:
            CredentialInvalid: it isn't valid. TokenExpired: its signature is valid, and its time is over.
            CredentialUncheckable: the provider's keys can't be fetched.
        """
        _check_header(token)
        keys = await self._current_keys()
        try:
            decoded = self._decode(token, keys)
        except InvalidKeyIdError:
            newer = await self._keys_after(keys)
            if newer is keys:
                raise CredentialInvalid("The token is signed with a key that its issuer doesn't have.") from None
            decoded = self._decode_with_known_key(token, newer)
        try:
            self._claims.validate(decoded.claims)
            expires_at = float(decoded.claims["exp"]) + self._rules.clock_skew_s
        except ExpiredTokenError:
            raise TokenExpired from None
        except (JoseError, TypeError, ValueError, OverflowError) as error:
            raise CredentialInvalid(f"The token isn't valid here: {_reason(error)}.") from None
        return VerifiedToken(principal_of(decoded.claims, self._rules), expires_at)

    def has_expired(self, token: VerifiedToken) -> bool:
        """Return whether a token that was valid isn't any more."""
        return self._now() >= token.expires_at

    def _decode(self, token: str, keys: KeySet) -> jwt.Token:
        try:
            return jwt.decode(token, keys, algorithms=_ALGORITHMS)
        except InvalidKeyIdError:
            raise
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise CredentialInvalid(f"The token isn't valid: {_reason(error)}.") from None

    def _decode_with_known_key(self, token: str, keys: KeySet) -> jwt.Token:
        try:
            return self._decode(token, keys)
        except InvalidKeyIdError:
            raise CredentialInvalid("The token is signed with a key that its issuer doesn't have.") from None

    async def _current_keys(self) -> KeySet:
        if self._keys is None or self._clock() - self._fetched_at > _MAX_AGE_S:
            return await self._keys_after(self._keys)
        return self._keys

    async def _keys_after(self, keys: KeySet | None) -> KeySet:
        """Fetch the keys again, unless that was done a moment ago, or since ``keys`` were read; return the newest.

        Raises:
            CredentialUncheckable: there are none.
        """
        async with self._lock:
            if self._keys is keys and (self._next_fetch_at is None or self._clock() >= self._next_fetch_at):
                self._next_fetch_at = self._clock() + _REFETCH_INTERVAL_S
                try:
                    self._keys = await self._fetch_keys()
                    self._fetched_at = self._clock()
                except (OSError, ValueError, JoseError, KeyError, TypeError) as error:
                    logger.error("The keys of %s can't be fetched: %s", self._rules.issuer, error)
        if self._keys is None:
            raise CredentialUncheckable("The keys of the token's issuer can't be fetched; the API's log says why.")
        return self._keys

    async def _fetch_keys(self) -> KeySet:
        url = self._rules.jwks_url
        if url is None:
            address = f"{self._rules.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = json.loads(await self._fetch(address))
            if not isinstance(found, dict) or found.get("issuer") != self._rules.issuer:
                raise ValueError(f"{address} isn't of the issuer {self._rules.issuer}")
            url = str(found["jwks_uri"])
        document: Any = json.loads(await self._fetch(url))
        public = [key for key in document["keys"] if key.get("kty") != "oct" and key.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": public})


def _check_header(token: str) -> None:
    """Refuse what is no signed token before any key is fetched for it.

    Raises:
        CredentialInvalid: it is none, or its algorithm isn't accepted.
    """
    if len(token) > _MAX_TOKEN_CHARS:
        raise CredentialInvalid(f"The token is longer than {_MAX_TOKEN_CHARS} characters.")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError):
        raise CredentialInvalid("This is neither an API key nor a signed token (JWT).") from None
    if header.get("alg") not in _ALGORITHMS:
        raise CredentialInvalid(f"Tokens are signed with one of {', '.join(_ALGORITHMS)}.")


def _reason(error: Exception) -> str:
    text = getattr(error, "description", "") or str(error) or type(error).__name__
    return str(text).rstrip(".")
