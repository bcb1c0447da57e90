from __future__ import annotations

import subprocess
import sys

import pytest

from agentkit.config.model_windows import model_window


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("openai:gpt-5-mini", 400_000),
        ("openai:gpt-4o-2024-08-06", 128_000),
        ("anthropic:claude-sonnet-4-5-20250929", 200_000),
        ("google:gemini-2.5-flash", 1_048_576),
        ("openrouter:anthropic/claude-3-haiku", 200_000),
        ("local:smollm2", 8_192),
    ],
)
def test_the_window_is_that_of_the_lists(model: str, window: int) -> None:
    assert model_window(model) == window


@pytest.mark.parametrize("model", ["openai:gpt-99x", "openai-compatible:gpt-5-mini", "demo:demo", "local:other", "x:y"])
def test_the_window_of_a_model_that_no_list_has_is_unknown(model: str) -> None:
    assert model_window(model) is None


def test_models_without_a_list_load_none() -> None:
    code = (
        "import sys; from agentkit.config.model_windows import model_window; model_window('demo:demo'); "
        "assert 'genai_prices' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
