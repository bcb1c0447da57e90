"""Language models behind ``agentkit.interfaces.Model``: one package for each provider."""

from __future__ import annotations

from agentkit.llm.demo.model import DemoModel
from agentkit.llm.local.model import LocalModel
from agentkit.llm.registry import build_models

__all__ = ["DemoModel", "LocalModel", "build_models"]
