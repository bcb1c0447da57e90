from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import Settings
from agentkit.errors import ConfigurationInvalid
from agentkit.principal import LOCAL_PRINCIPAL
from api.access.authentication_settings import authentication_of
from tests.tenant_keys import write_tenant_keys

_ISSUER = "https://login.example.com"


async def test_without_settings_every_request_is_of_the_local_principal() -> None:
    authentication = authentication_of(Settings())
    assert not authentication.is_on
    assert (await authentication.identify(None)).principal == LOCAL_PRINCIPAL


def test_a_missing_keys_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"no file .*none\.json; make a key with .*opspawn keys create"):
        authentication_of(Settings(keys_file=tmp_path / "none.json"))


async def test_keys_and_tokens_switch_authentication_on(tmp_path: Path) -> None:
    keys = write_tenant_keys(tmp_path)
    with_keys = authentication_of(Settings(keys_file=keys.path))
    assert with_keys.is_on
    identity = await with_keys.identify(f"bearer  {keys.admin}")
    assert identity.principal.roles == {"admin"}
    assert identity.is_valid()
    assert authentication_of(Settings(oidc_issuer=_ISSUER, oidc_audience="api")).is_on


def test_issuer_and_audience_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_OIDC_ISSUER", _ISSUER)
    with pytest.raises(ConfigurationInvalid, match=r"OPSPAWN_OIDC_ISSUER\) and .* go together"):
        Settings.load(tmp_path)
    monkeypatch.setenv("OPSPAWN_OIDC_AUDIENCE", "api")
    monkeypatch.setenv("OPSPAWN_OIDC_ROLES", '{"staff": "viewer"}')
    assert Settings.load(tmp_path).oidc_roles == {"staff": "viewer"}
    monkeypatch.setenv("OPSPAWN_OIDC_ISSUER", "http://login.example.com")
    with pytest.raises(ConfigurationInvalid, match="with https unless it is this machine's"):
        Settings.load(tmp_path)


def test_a_key_of_the_command_line_is_in_no_repr() -> None:
    settings = Settings(api_key="opspawn_12345678_secret")  # type: ignore[arg-type]  # as from the environment
    assert "12345678" not in repr(settings)
    assert settings.api_key_text == "opspawn_12345678_secret"


def test_without_tokens_their_modules_are_not_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from activities.settings import Settings; "
        "from api.access.authentication_settings import authentication_of; "
        f"authentication_of(Settings(keys_file=Path({str(write_tenant_keys(tmp_path).path)!r}))); "
        "print([name for name in ('joserfc', 'httpx2', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
