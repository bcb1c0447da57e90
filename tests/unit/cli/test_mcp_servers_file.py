from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from agentkit.errors import ConfigurationInvalid
from cli.errors import UsageWrong
from cli.mcp_servers_file import configured_server, configured_servers

TWO = '{"mcpServers": {"time": {"command": "t"}, "off": {"command": "o", "disabled": true}, "bad": {"comand": "b"}}}'


def written(path: Path, text: str) -> Settings:
    (path / "mcp.json").write_text(text)
    return Settings(app_dir=path)


def test_servers_that_are_disabled_are_listed_and_wrong_ones_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(configured_servers(written(tmp_path, TWO))) == ["time", "off"]
    assert "comand" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [("tim", "Did you mean 'time'?"), ("off", "is disabled"), ("bad", "no server 'bad' that can be used")],
)
def test_a_server_that_can_not_be_used_is_a_wrong_argument(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageWrong, match=message.replace("?", r"\?")):
        configured_server(written(tmp_path, TWO), name)


def test_a_missing_file_and_one_without_servers_have_an_example(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match=r'There is no .*mcp\.json\.[\s\S]*"command": "uvx"'):
        configured_servers(Settings(app_dir=tmp_path))
    with pytest.raises(UsageWrong, match=r"mcp\.json has no servers"):
        configured_servers(written(tmp_path, '{"mcpServers": {}}'))


def test_a_file_that_is_no_json_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"mcp\.json"):
        configured_servers(written(tmp_path, "{"))
