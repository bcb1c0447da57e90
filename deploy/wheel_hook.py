"""Build hook of the wheel: ``worker.py`` lies below ``opspawn/``, as the packages do by ``sources`` in pyproject.toml.

``sources`` moves directories only, and ``force-include`` would copy the file into editable installs, too.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["WheelHook"]


class WheelHook(BuildHookInterface[Any]):
    """Adds ``worker.py`` to a wheel, and nothing to an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file; ``version`` is ``standard`` or ``editable``."""
        if version == "standard":
            build_data["force_include"]["worker.py"] = "opspawn/worker.py"
