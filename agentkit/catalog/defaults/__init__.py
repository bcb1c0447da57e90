"""Files that come with agentkit: the built-in agent, and the template of an app directory."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ASSISTANT", "TEMPLATE"]

ASSISTANT = Path(__file__).with_name("assistant.yaml")
"""The agent that every catalog has."""

TEMPLATE = Path(__file__).with_name("template")
"""The directory that ``opspawn init DIR`` copies."""
