"""The processes of tools don't get the variables of secrets, not even at their start."""

from __future__ import annotations

import pytest

from agentkit.tools.host.host_environment import host_environment


def test_hidden_variables_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hunter2")
    monkeypatch.setenv("OTHER", "1")
    environment = host_environment(("VAULT_TOKEN", "UNSET"))
    assert "VAULT_TOKEN" not in environment
    assert (environment["OTHER"], "PATH" in environment) == ("1", True)
