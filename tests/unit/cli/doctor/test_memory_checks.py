"""What the doctor reports about long-term memory by its settings alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from activities.settings import Settings
from cli.doctor.finding import Finding
from cli.doctor.memory_checks import memory_findings


def finding(values: dict[str, object], tmp_path: Path, agents: list[str]) -> Finding:
    (found,) = memory_findings(Settings.model_validate({"app_dir": tmp_path, **values}), agents)
    return found


def test_complete_settings_are_described(tmp_path: Path) -> None:
    found = finding({}, tmp_path, ["assistant"])
    assert found.status == "ok"
    place = tmp_path / ".opspawn" / "memory"
    assert found.detail == f"at {place}, embeddings of minilm (used by assistant)"
    assert finding({"ltm_url": "http://127.0.0.1:6333"}, tmp_path, []).detail.startswith("at http://127.0.0.1:6333,")


@pytest.mark.parametrize(("agents", "status"), [([], "note"), (["assistant"], "missing")])
def test_what_is_missing_fails_the_doctor_only_where_an_agent_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agents: list[str], status: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # makes the package impossible to find
    found = finding({}, tmp_path, agents)
    assert found.status == status
    assert "EXTRAS=memory" in found.detail


@pytest.mark.parametrize("agents", [[], ["assistant"]], ids=["nobody's", "an agent's"])
def test_a_memory_that_is_off_is_reported_and_fails_no_doctor(tmp_path: Path, agents: list[str]) -> None:
    found = finding({"ltm_provider": "off"}, tmp_path, agents)
    assert found.status == "note"
    assert "off, by AGENTKIT_LTM_PROVIDER" in found.detail
