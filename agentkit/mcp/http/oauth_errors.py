"""Why there is no access token."""

from __future__ import annotations

__all__ = ["LoginRequired", "RenewalFailed"]


class LoginRequired(Exception):
    """A person has to log in; the message says why."""


class RenewalFailed(Exception):
    """The authorization server can't be reached now."""
