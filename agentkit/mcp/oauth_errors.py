"""What is missing for an access token."""

from __future__ import annotations

__all__ = ["LoginRequired"]


class LoginRequired(Exception):
    """There is no usable token: a person has to log in. The message names the cure."""
