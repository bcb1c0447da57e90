from __future__ import annotations

from pathlib import Path

from activities.settings import Settings
from cli.doctor.access_checks import access_findings
from tests.tenant_keys import write_tenant_keys


def test_keys_are_counted_and_a_file_that_others_may_change_is_named(tmp_path: Path) -> None:
    path = write_tenant_keys(tmp_path).path
    settings = Settings(keys_file=path)
    (finding,) = access_findings(settings)
    assert (finding.status, finding.detail) == ("ok", f"7 valid, of tenants: 3 ({path})")
    path.chmod(0o620)
    (finding,) = access_findings(settings)
    assert (finding.status, finding.remedies) == ("missing", (f"chmod go-w {path}",))


def test_without_keys_there_is_nothing_to_say_on_loopback() -> None:
    assert access_findings(Settings()) == []
    (finding,) = access_findings(Settings(host="0.0.0.0"))
    assert finding.status == "missing"
    assert "other machines could do everything" in finding.detail


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    (finding,) = access_findings(Settings(keys_file=tmp_path / "none.json"))
    assert finding.status == "missing"
    assert "keys create --name admin --role admin" in finding.remedies[0]
