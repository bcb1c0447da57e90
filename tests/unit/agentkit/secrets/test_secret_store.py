"""Secrets are read from variables and files, and sent only to the hosts that their settings allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentkit.config.secret_sources import SecretSource
from agentkit.errors import SecretMissing
from agentkit.secrets import SecretStore

TOKEN = "ghp_0123456789"


def store(directory: Path = Path(), environment: dict[str, str] | None = None, **sources: SecretSource) -> SecretStore:
    return SecretStore(sources, directory, environment or {})


def test_values_come_from_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    secrets = store(
        tmp_path, {"GITHUB_TOKEN": TOKEN}, github=SecretSource(env="GITHUB_TOKEN"), key=SecretSource(file="key")
    )
    assert secrets.values(["key", "github"]) == {"key": "from-a-file", "github": TOKEN}
    assert secrets.problems == []


def test_a_changed_file_is_read_again_and_its_former_value_is_redacted_still(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first-value")
    secrets = store(tmp_path, key=SecretSource(file=str(file)))
    assert secrets.values(["key"]) == {"key": "first-value"}
    file.write_text("the-second-value")
    assert secrets.redact_text("first-value the-second-value") == "[secret:key] [secret:key]"
    assert secrets.values(["key"]) == {"key": "the-second-value"}


def test_internal_secrets_are_redacted_and_no_tool_gets_them() -> None:
    internal_secrets = {
        "openai_api_key": "sk-0123456789abcdef",
        "encryption_keys.a": "A" * 44,
        "ltm_api_key": "lm-studio",
    }
    secrets = SecretStore({}, Path(), {}, internal_secrets)
    assert secrets.redact_text("sk-0123456789abcdef") == "[secret:openai_api_key]"
    assert secrets.redact_value({"a": "A" * 44}) == {"a": "[secret:encryption_keys.a]"}
    assert secrets.redact_bytes(b"lm-studio") == b"lm-studio", "it may be a placeholder"
    with pytest.raises(SecretMissing, match="There is no secret 'openai_api_key'"):
        secrets.values(["openai_api_key"])


def test_a_tools_secret_with_the_name_of_an_internal_one_leaves_that_redacted() -> None:
    secrets = SecretStore(
        {"openai_api_key": SecretSource(env="SEARCH_KEY")},
        Path(),
        {"SEARCH_KEY": "search-0123456789"},
        internal_secrets={"openai_api_key": "sk-0123456789abcdef"},
    )
    shown = secrets.redact_text("search-0123456789 sk-0123456789abcdef")
    assert shown == "[secret:openai_api_key] [secret:openai_api_key]"
    assert secrets.values(["openai_api_key"]) == {"openai_api_key": "search-0123456789"}


def test_results_of_other_tools_are_redacted_before_the_secret_was_used(tmp_path: Path) -> None:
    secrets = store(environment={"GITHUB_TOKEN": TOKEN}, github=SecretSource(env="GITHUB_TOKEN"))
    assert secrets.redact_value({"log": [f"token={TOKEN}"]}) == {"log": ["token=[secret:github]"]}


@pytest.mark.parametrize(
    ("source", "environment", "expected"),
    [
        (SecretSource(env="TOKEN"), {}, "no variable TOKEN. Its operator has to set it"),
        (SecretSource(env="TOKEN"), {"TOKEN": ""}, "export TOKEN=..."),
        (SecretSource(env="TOKEN"), {"TOKEN": "s3cret7"}, "(variable TOKEN) has 7 characters, 8 to 4096 are allowed"),
        (SecretSource(env="TOKEN"), {"TOKEN": "x" * 4097}, "has 4097 characters"),
        (SecretSource(file="none"), {}, "none can't be read by the worker (No such file or directory)"),
        (SecretSource(file="empty"), {}, "empty is empty"),
        (SecretSource(file="binary"), {}, "binary is not text"),
        (SecretSource(file="large"), {}, "large can't be read by the worker (it has more than 16,386 bytes)"),
        (SecretSource(file="pipe"), {}, "pipe can't be read by the worker (it is no regular file)"),
    ],
    ids=["unset", "empty variable", "short", "long", "no file", "empty file", "binary file", "large file", "pipe"],
)
def test_a_secret_that_cannot_be_used_is_named_with_its_source_and_the_cure(
    source: SecretSource, environment: dict[str, str], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_text("x" * 20_000)
    os.mkfifo(tmp_path / "pipe")
    secrets = store(tmp_path, environment, github=source)
    with pytest.raises(SecretMissing, match="'github'") as raised:
        secrets.values(["github"])
    assert expected in str(raised.value)
    assert "s3cret7" not in str(raised.value)
    assert secrets.problems == [str(raised.value)]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    secrets = store(environment={"T": TOKEN}, github=SecretSource(env="T"))
    with pytest.raises(SecretMissing, match=r"Did you mean 'github'.*Secrets: github"):
        secrets.values(["gitub"])


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        (("api.github.com",), "https://api.github.com/user", True),
        (("api.github.com",), "https://API.GITHUB.COM:443/user", True),
        (("api.github.com",), "http://api.github.com/user", False),
        (("api.github.com",), "https://api.github.com:8443/", False),
        (("api.github.com",), "https://api.github.com.evil.example/", False),
        (("api.github.com",), "https://evil.example/?api.github.com", False),
        (("api.github.com",), "https://api.github.com@evil.example/", False),
        (("*.github.com",), "https://api.github.com/", True),
        (("*.github.com",), "https://github.com/", False),
        (("*.github.com",), "https://evilgithub.com/", False),
        (("http://localhost:8080",), "http://localhost:8080/x", True),
        (("http://localhost:8080",), "https://localhost:8080/x", False),
        ((), "https://api.github.com/", False),
    ],
)
def test_a_secret_is_sent_only_to_hosts_of_its_setting(hosts: tuple[str, ...], url: str, *, allowed: bool) -> None:
    secrets = store(environment={"T": TOKEN}, github=SecretSource(env="T", hosts=hosts))
    if allowed:
        assert secrets.value_for("github", url) == TOKEN
        return
    with pytest.raises(SecretMissing, match=r"secrets\.github\.hosts in opspawn\.toml"):
        secrets.value_for("github", url)
