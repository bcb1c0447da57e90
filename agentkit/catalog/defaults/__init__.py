"""Files that come with agentkit: the built-in agent, and the template of an app directory."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ASSISTANT", "TEMPLATE"]

ASSISTANT = Path(__file__).with_name("assistant.yaml")
"""The agent that is there without any file."""

TEMPLATE = Path(__file__).with_name("template")
"""A directory to copy: ``opspawn init DIR``."""
