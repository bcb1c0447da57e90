"""Placeholders in the settings of MCP servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import NoSecrets
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_placeholders import placeholder_issues, placeholder_names, resolved, secret_or_variable

APP = Path("/app")


def nothing(name: str) -> None:
    return None


def stdio(**values: object) -> McpServerSettings:
    return McpServerSettings.model_validate({"command": "server", **values})


def test_names_are_replaced_in_every_text() -> None:
    settings = stdio(
        command="${BIN}/server",
        args=["--token=${TOKEN}", "${env:TOKEN}", "plain"],
        env={"A": "x${TOKEN}y${TOKEN}"},
        cwd="${workspaceFolder}/data",
        opspawn={"oauth": {"client_id": "${ID}", "client_secret": "${TOKEN}"}, "timeout": "5s"},
    )
    found = resolved(settings, {"TOKEN": "s3cret", "BIN": "/opt", "ID": "me"}.get, server="github", app_dir=APP)
    assert (found.command, found.args, found.env) == (
        "/opt/server",
        ("--token=s3cret", "s3cret", "plain"),
        {"A": "xs3cretys3cret"},
    )
    assert found.cwd == "/app/data"
    assert found.opspawn.oauth is not None
    assert (found.opspawn.oauth.client_id, found.opspawn.oauth.client_secret) == ("me", "s3cret")
    assert found.opspawn.timeout == 5
    assert settings.command == "${BIN}/server"


def test_names_are_replaced_in_urls_and_headers() -> None:
    settings = McpServerSettings(url="https://${HOST}/mcp", headers={"Authorization": "Bearer ${TOKEN}"})
    found = resolved(settings, {"TOKEN": "t", "HOST": "example.com"}.get, server="github", app_dir=APP)
    assert (found.url, found.headers) == ("https://example.com/mcp", {"Authorization": "Bearer t"})


def test_values_are_not_searched_for_names() -> None:
    found = resolved(stdio(args=["${A}"]), {"A": "${B}", "B": "b"}.get, server="s", app_dir=APP)
    assert found.args == ("${B}",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("${A:-d}", "d"), ("${A:-}", ""), ("${env:A:-d}", "d"), ("${B:-d}", "b"), ("$${A}", "${A}"), ("$A", "$A")],
)
def test_defaults_and_escapes(text: str, expected: str) -> None:
    assert resolved(stdio(args=[text]), {"B": "b"}.get, server="s", app_dir=APP).args == (expected,)


def test_a_missing_name_is_an_error_with_file_server_key_and_cure() -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        resolved(stdio(env={"TOKEN": "${GITHUB_TOKEN}"}), nothing, server="github", app_dir=APP)
    assert str(raised.value) == (
        "/app/mcp.json: mcpServers.github.env.TOKEN: there is no secret 'GITHUB_TOKEN', and no environment variable "
        'GITHUB_TOKEN of the worker. Add to opspawn.toml, below [secrets]: GITHUB_TOKEN = {env = "VARIABLE"} or '
        'GITHUB_TOKEN = {file = "PATH"}; or set the variable'
    )


def test_prompts_of_editors_are_refused_with_the_cure() -> None:
    settings = stdio(args=["${input:github-token}"])
    (issue,) = placeholder_issues(settings)
    assert issue.key == "args.0"
    assert "asks a person" in issue.message
    assert "Write ${GITHUB_TOKEN}, and add GITHUB_TOKEN to [secrets]" in issue.message
    with pytest.raises(ConfigurationInvalid, match=r"mcpServers\.s\.args\.0: \$\{input:github-token\} asks a person"):
        resolved(settings, nothing, server="s", app_dir=APP)


@pytest.mark.parametrize("text", ["${a b}", "${}", "${command:x}", "${config:a.b}"])
def test_other_placeholders_are_refused(text: str) -> None:
    (issue,) = placeholder_issues(stdio(args=[text]))
    assert issue.message.startswith("expected ${NAME}, ${env:NAME}")
    assert issue.message.endswith(f"got {text}")


def test_the_names_that_a_worker_must_know() -> None:
    settings = stdio(args=["${A}${env:B}", "${C:-d}", "$${D}", "${workspaceFolder}"], env={"E": "${A}"})
    assert placeholder_names(settings) == ["A", "B"]
    assert not list(placeholder_issues(settings))


def test_secrets_come_before_variables() -> None:
    class OneSecret(NoSecrets):
        def value_for(self, name: str, url: str) -> str:
            return "secret" if name == "A" else super().value_for(name, url)

    lookup = secret_or_variable(OneSecret(), {"A": "variable", "B": "variable"})
    assert [lookup(name) for name in "ABC"] == ["secret", "variable", None]
