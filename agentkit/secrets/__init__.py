"""Secrets of tools: read from variables and files, and redacted from what leaves a worker."""

from __future__ import annotations

from agentkit.secrets.secret_redactor import SecretRedactor
from agentkit.secrets.secret_store import SecretStore

__all__ = ["SecretRedactor", "SecretStore"]
