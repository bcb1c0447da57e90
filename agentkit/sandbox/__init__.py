"""Run code that nobody has checked: confined by the kernel of this machine, or not at all."""

from __future__ import annotations

from agentkit.sandbox.local_sandbox import LocalSandbox
from agentkit.sandbox.tier_choice import SandboxSetting, build_sandbox

__all__ = ["LocalSandbox", "SandboxSetting", "build_sandbox"]
