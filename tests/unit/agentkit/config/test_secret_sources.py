from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentkit.config.secret_sources import SecretSource


@pytest.mark.parametrize(
    "fields", [{}, {"env": "A", "file": "b"}, {"env": "ghp_abc def"}, {"env": "A", "value": "x"}], ids=str
)
def test_a_source_is_either_a_variable_or_a_file(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SecretSource.model_validate(fields)


def test_a_value_that_was_pasted_by_mistake_is_not_shown() -> None:
    with pytest.raises(ValidationError) as raised:
        SecretSource(env="sk-secret-value")
    assert "secret-value" not in str(raised.value)


def test_hosts_are_compared_without_regard_to_case() -> None:
    hosts = ("API.GitHub.com", "*.Example.com", "http://localhost:8080", "10.0.0.1:8443")
    assert SecretSource(env="A", hosts=hosts).hosts == tuple(host.lower() for host in hosts)


@pytest.mark.parametrize("host", ["*", "a.*", "https://a.com/path", "a b", "ftp://a.com", "user@a.com", "", "a..b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="expected hosts"):
        SecretSource(env="A", hosts=(host,))


def test_a_source_describes_itself() -> None:
    assert SecretSource(env="A").description == "variable A"
    assert SecretSource(file="b").description == "file b"
