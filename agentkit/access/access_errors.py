"""Why a key or token isn't accepted.

AccessError
├── CredentialInvalid      it is wrong, has expired, or was revoked
│   └── TokenExpired       a token of the issuer, whose time is over
└── CredentialUncheckable  what it is checked against can't be read now
"""

from __future__ import annotations

from agentkit.errors import OpspawnError

__all__ = ["AccessError", "CredentialInvalid", "CredentialUncheckable", "TokenExpired"]


class AccessError(OpspawnError):
    """Any of the above. No message contains a key or a token."""


class CredentialInvalid(AccessError):
    """Send another key or token: the message says what is wrong with this one."""


class TokenExpired(CredentialInvalid):
    """Get a new token from the identity provider."""

    def __init__(self) -> None:
        super().__init__("The token has expired.")


class CredentialUncheckable(AccessError):
    """Try again later; the message says what the person who runs the API has to correct."""
