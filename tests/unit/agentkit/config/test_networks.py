from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from activities.settings import Settings
from agentkit.config.agent_settings import AgentSettings
from agentkit.config.networks import Networks


def test_addresses_and_networks_are_a_list_or_text_separated_by_commas() -> None:
    networks = TypeAdapter[tuple[str, ...]](Networks)
    assert networks.validate_python("10.0.0.0/8, 2001:db8::7,") == ("10.0.0.0/8", "2001:db8::7")
    assert networks.validate_python(["10.0.0.7"]) == ("10.0.0.7",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("proxy.example.com", "such as 10.0.0.7 or 10.0.0.0/8, not proxy.example.com"),
        ("10.1.2.3/8", "not 10.1.2.3/8: write 10.0.0.0/8 for the network, or 10.1.2.3 for the address"),
        ("10.0.0.0/33", "not 10.0.0.0/33"),
    ],
)
def test_both_settings_refuse_the_same_texts_with_the_same_message(text: str, message: str) -> None:
    with pytest.raises(ValidationError) as of_tools:
        AgentSettings(http_fetch_allow=(text,))
    with pytest.raises(ValidationError) as of_proxies:
        Settings(trusted_proxies=(text,))
    for raised in (of_tools, of_proxies):
        assert raised.value.errors()[0]["msg"].endswith(message)
