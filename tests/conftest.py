"""What every test shares: the same examples each time, and an environment that holds nothing of the developer's."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

_OURS = ("OPSPAWN_", "AGENTKIT_", "TEMPORAL_", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "OPENROUTER_")
_KEPT = {"OPSPAWN_TEMPORAL_BIN"}


def pytest_configure() -> None:
    """Have hypothesis try the same examples on any machine, however slow."""
    hypothesis.settings.register_profile(
        "opspawn", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("opspawn")


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """Take away keys and addresses, so that no test asks a paid model or touches a real Temporal namespace."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - _KEPT:  # noqa: TID251  # the names, not the values
            if name.startswith(_OURS):
                patch.delenv(name)
        yield
