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


def test_an_asterisk_in_a_hidden_name_is_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_GRPC_META_AUTHORIZATION", "hunter2")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "localhost:7233")
    environment = host_environment(("TEMPORAL_GRPC_META_*",))
    assert "TEMPORAL_GRPC_META_AUTHORIZATION" not in environment
    assert environment["TEMPORAL_ADDRESS"] == "localhost:7233"
