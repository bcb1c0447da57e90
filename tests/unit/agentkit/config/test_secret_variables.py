"""The variables with secrets that libraries read, and the values in them."""

from __future__ import annotations

import pytest

from agentkit.config.secret_variables import LIBRARY_SECRETS, is_named, values_of_variables


@pytest.mark.parametrize(
    "variable",
    [
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
        "OPENAI_ADMIN_KEY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "TEMPORAL_API_KEY",
        "TEMPORAL_GRPC_META_AUTHORIZATION",
        "temporal_grpc_meta_x_key",
    ],
)
def test_variables_of_libraries_are_secret(variable: str) -> None:
    assert is_named(variable, LIBRARY_SECRETS)


@pytest.mark.parametrize(
    "variable", ["ANTHROPIC_BASE_URL", "OPENAI_LOG", "OTEL_EXPORTER_OTLP_ENDPOINT", "TEMPORAL_ADDRESS", "MY_API_KEY"]
)
def test_other_variables_are_not(variable: str) -> None:
    assert not is_named(variable, LIBRARY_SECRETS)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("TEMPORAL_API_KEY", "abc", {"TEMPORAL_API_KEY": "abc"}),
        ("TEMPORAL_GRPC_META_AUTHORIZATION", "Bearer abc", {"TEMPORAL_GRPC_META_AUTHORIZATION": "abc"}),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Basic%20YTpi,x-key=a%2Bb==",
            {"OTEL_EXPORTER_OTLP_HEADERS.authorization": "YTpi", "OTEL_EXPORTER_OTLP_HEADERS.x-key": "a+b=="},
        ),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "abc", {"OTEL_EXPORTER_OTLP_LOGS_HEADERS": "abc"}),
        (
            "OPENAI_CUSTOM_HEADERS",
            "X-Key: a,b%20\nAuthorization: Bearer c",
            {"OPENAI_CUSTOM_HEADERS.X-Key": "a,b%20", "OPENAI_CUSTOM_HEADERS.Authorization": "c"},
        ),
        ("OPENAI_BASE_URL", "abc", {}),
    ],
    ids=["key", "metadata", "OTLP headers", "no header's name", "lines of headers", "no secret"],
)
def test_each_header_is_a_secret_without_its_scheme(variable: str, value: str, expected: dict[str, str]) -> None:
    assert values_of_variables({variable: value}, LIBRARY_SECRETS) == expected
