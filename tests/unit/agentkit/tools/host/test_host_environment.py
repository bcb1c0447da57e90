"""The processes of tools don't get the variables of secrets, not even at their start."""

from __future__ import annotations

import pytest

from agentkit.tools.host.host_environment import host_environment


def test_hidden_variables_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hunter2")
    monkeypatch.setenv("OTHER", "1")
    monkeypatch.setenv("other_key", "hunter3")
    environment = host_environment(("VAULT_TOKEN", "UNSET", "OTHER_KEY"))
    assert not {"VAULT_TOKEN", "other_key"} & environment.keys()
    assert (environment["OTHER"], "PATH" in environment) == ("1", True)
