from __future__ import annotations

import pytest
from pydantic import SecretStr

from agentkit.errors import ConfigurationInvalid
from agentkit.llm.shared.provider_credentials import checked_key, checked_url


def test_a_key_is_used_without_the_line_end_of_its_file() -> None:
    assert checked_key("OPENAI_API_KEY", SecretStr(" sk-1\n")) == "sk-1"
    assert checked_key("OPENAI_API_KEY", None) is None


@pytest.mark.parametrize("key", ["ключ", "sk-1\x00", "sk-1\nsk-2"])
def test_a_key_that_no_header_can_contain_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="OPENAI_API_KEY has characters that no key has") as caught:
        checked_key("OPENAI_API_KEY", SecretStr(key))
    assert key not in str(caught.value)


def test_an_address_needs_a_scheme() -> None:
    assert checked_url("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1") == "http://127.0.0.1:11434/v1"
    assert checked_url("OPENAI_BASE_URL", None) is None
    with pytest.raises(ConfigurationInvalid, match="OPENAI_BASE_URL is '127"):
        checked_url("OPENAI_BASE_URL", "127.0.0.1:11434/v1")
