from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from activities.temporal.encryption.key_files import DirectoryKeyFiles
from activities.temporal.encryption.tenant_encryption_keys import TenantEncryptionKeys
from agentkit.access.access_errors import CredentialInvalid
from agentkit.access.keys_file import KeysFile
from cli.errors import CommandFailed, ServerUnreachable, UsageWrong
from cli.main import build_command_line


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "secrets" / "keys.json"
    monkeypatch.setenv("OPSPAWN_KEYS_FILE", str(file))
    return file


def _run(*arguments: str, answer: str | None = None) -> Result:
    line = ["keys", *arguments]
    result = CliRunner().invoke(build_command_line(line), line, input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _create(*options: str) -> str:
    result = _run("create", "--name", "ci", "--role", "operator", "--json", *options)
    key: str = json.loads(result.stdout)["key"]
    return key


def test_a_created_key_is_valid_and_only_its_hash_is_stored_for_the_owner_alone(path: Path) -> None:
    key = _create("--tenant", "acme", "--role", "approver", "--group", "finance")
    principal = KeysFile(path).find(key).principal
    assert (principal.subject, principal.tenant, principal.groups) == ("ci", "acme", ("finance",))
    assert principal.roles == {"operator", "approver"}
    assert key.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_alone_is_on_stdout(path: Path) -> None:
    result = _run("create", "--name", "ci", "--role", "viewer")
    assert KeysFile(path).find(result.stdout.strip()).roles == ("viewer",)
    assert "only now" in result.stderr


def test_two_keys_of_a_name_are_valid_at_once_and_a_third_is_refused(path: Path) -> None:
    first, second = _create(), _create()
    _create("--tenant", "acme")
    with pytest.raises(UsageWrong, match=r"has 2 valid keys already .* `opspawn keys revoke [0-9a-f]{8}`"):
        _create()
    assert _run("revoke", first.split("_")[1]).exit_code == 0
    file = KeysFile(path)
    assert file.find(second).name == "ci"
    with pytest.raises(CredentialInvalid, match="revoked"):
        file.find(first)
    _create()


def test_the_list_shows_no_key_and_no_hash(path: Path) -> None:
    key = _create("--expires", "90d")
    listed = _run("list")
    assert "ci" in listed.stdout
    assert "89d" in listed.stdout
    (shown,) = json.loads(_run("list", "--json").stdout)["keys"]
    assert (shown["id"], shown["expired"], shown["roles"]) == (key.split("_")[1], False, ["operator"])
    assert "sha256" not in shown
    assert key not in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "--name", "ci", "--role", "boss"), "--role boss: expected one of viewer, operator"),
        (("create", "--name", "ci", "--role", "admin", "--tenant", "a b"), "--tenant 'a b'"),
        (("create", "--name", "", "--role", "admin"), "--name ''"),
        (("create", "--name", "ci", "--role", "admin", "--expires", "soon"), "--expires soon: .*such as 30s"),
        (("revoke", "nobody"), "no key 'nobody': `opspawn keys list`"),
    ],
)
def test_wrong_options_are_named(path: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageWrong, match=message):
        _run(*arguments)
    assert not path.exists() or json.loads(path.read_text())["keys"] == []


def test_a_name_with_one_key_is_revoked_by_its_name(path: Path) -> None:
    _create()
    assert json.loads(_run("revoke", "ci", "--json").stdout)["revoked"]
    assert json.loads(_run("list", "--json").stdout)["keys"] == []


def test_without_a_keys_file_the_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPSPAWN_KEYS_FILE", raising=False)
    with pytest.raises(UsageWrong, match="set OPSPAWN_KEYS_FILE"):
        _run("list")


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TenantEncryptionKeys:
    """The keys of tenants that the commands find."""
    key = base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("OPSPAWN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPSPAWN_ENCRYPTION_KEYS", f"old:{key}")
    return TenantEncryptionKeys(
        DirectoryKeyFiles(tmp_path / "tenant-keys"), {"old": SecretStr(key)}, gives_new_workflows_keys=True
    )


def test_without_a_key_of_the_tenant_nothing_is_destroyed(
    encrypted: TenantEncryptionKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(encrypted.id_suffix("acme", None))
    with pytest.raises(UsageWrong, match="no key of user ada of tenant acme"):
        _run("destroy", "--tenant", "acme", "--user", "ada", "--yes")
    monkeypatch.delenv("OPSPAWN_ENCRYPTION_KEYS")
    with pytest.raises(UsageWrong, match="OPSPAWN_ENCRYPTION_KEYS"):
        _run("destroy", "--tenant", "acme", "--yes")


def test_damaged_keys_are_named_when_nothing_can_be_destroyed(encrypted: TenantEncryptionKeys) -> None:
    reference = asyncio.run(encrypted.id_suffix("acme", "ada"))[1:]
    (Path(encrypted.location) / reference).write_text("{")
    with pytest.raises(CommandFailed, match=f"Nothing was destroyed. .*{reference}, whose file is damaged"):
        _run("destroy", "--tenant", "acme", "--user", "ada", "--yes")
    with pytest.raises(CommandFailed, match=f"Keys rewrapped: 0, but not all. .*{reference}"):
        _run("rewrap")


def test_without_a_confirmation_or_temporal_nothing_is_destroyed(
    encrypted: TenantEncryptionKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(encrypted.id_suffix("acme", None))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(CommandFailed, match="Nothing was destroyed"):
        _run("destroy", "--tenant", "acme", answer="n\n")
    with pytest.raises(ServerUnreachable):
        _run("destroy", "--tenant", "acme", "--yes")
    assert len(asyncio.run(encrypted.owned_by("acme")).keys) == 1


def test_keys_are_rewrapped_with_the_first_key(
    encrypted: TenantEncryptionKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(encrypted.id_suffix("acme", None))
    new = base64.b64encode(os.urandom(32)).decode()
    old = os.environ["OPSPAWN_ENCRYPTION_KEYS"]  # noqa: TID251  # what the fixture has set
    monkeypatch.setenv("OPSPAWN_ENCRYPTION_KEYS", f"new:{new},{old}")
    assert json.loads(_run("rewrap", "--json").stdout) == {"rewrapped": 2}
    assert json.loads(_run("rewrap", "--json").stdout) == {"rewrapped": 0}
    monkeypatch.setenv("OPSPAWN_ENCRYPTION_KEYS", f"new:{new}")
    assert "rewrapped: 0" in _run("rewrap").stderr
    assert any("'new'" in problem for problem in asyncio.run(encrypted.owned_by("acme")).problems)
