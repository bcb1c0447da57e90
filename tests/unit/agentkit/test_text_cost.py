"""Text from outside is read in time that is linear in its length, whatever it is: no request may hold up a process.

Each text makes a careless regular expression take minutes; the limit leaves room for a slow machine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from agentkit.config.durations import parse_duration
from agentkit.llm.anthropic.errors import model_error as anthropic_error
from agentkit.llm.demo.script import parse_script
from agentkit.llm.google.errors import model_error as google_error
from agentkit.llm.shared.failures import ProviderEndpoint, ProviderStreamError
from agentkit.llm.wrappers.token_bucket import bucket_from_headers
from tests.cpu_time import relative_cpu_s

LIMIT_S = 10.0
ENDPOINT = ProviderEndpoint("acme", "https://acme.example", "ACME_API_KEY", "sk-0123456789abcdef")


def _refused_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def _rate_limit(text: str) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
    assert bucket_from_headers(headers, "requests", 0.0, datetime.now(UTC), 60.0) is None


def _anthropic_error(text: str) -> None:
    assert str(anthropic_error(ProviderStreamError({"type": "invalid_request_error", "message": text}), ENDPOINT))


def _google_error(text: str) -> None:
    assert str(google_error(ProviderStreamError({"code": 400, "message": text}), ENDPOINT))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        pytest.param(_refused_duration, "1" * 60_000, id="duration without a unit"),
        pytest.param(_refused_duration, "1s" * 250_000 + "x", id="duration with many units"),
        pytest.param(_rate_limit, "1" * 60_000 + "x", id="reset of a rate limit"),
        pytest.param(_google_error, "input token count" * 15_000, id="error of Google"),
        pytest.param(_anthropic_error, "usage limit " * 20_000, id="error of Anthropic"),
        pytest.param(parse_script, "call a {}" + " " * 100_000 + "x", id="demo: spaces after a call"),
        pytest.param(parse_script, "call a {" + " " * 100_000 + "x", id="demo: spaces in a call"),
        pytest.param(parse_script, "call " + " & ".join(["a {x"] * 200_000), id="demo: calls in a line"),
        pytest.param(parse_script, "call a {\n" * 100_000, id="demo: lines"),
    ],
)
def test_hostile_text_is_read_in_linear_time(read: Callable[[str], object], text: str) -> None:
    assert relative_cpu_s(lambda: read(text)) < LIMIT_S
