from __future__ import annotations

import pytest

from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.profile import TEMPERATURE_API_VERSION
from agentkit.llm.anthropic.request import anthropic_body, anthropic_headers
from agentkit.messages import user_message
from agentkit.specs import ModelSettings


def _request(name: str, settings: ModelSettings) -> ModelRequest:
    return ModelRequest(model=f"anthropic:{name}", system="", messages=(user_message("Hi"),), settings=settings)


def _sent(name: str, settings: ModelSettings) -> dict[str, object]:
    """Return the body without the messages."""
    body = anthropic_body(_request(name, settings))
    return {key: value for key, value in body.items() if key != "messages"}


@pytest.mark.parametrize(
    ("name", "budget", "expected"),
    [
        pytest.param("claude-sonnet-4-6", None, {}, id="not set"),
        pytest.param("claude-sonnet-4-6", 2_000, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, id="4.6"),
        pytest.param(
            "claude-opus-4-20250514",
            9,
            {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
            id="below the minimum",
        ),
        pytest.param("claude-haiku-4-5", 0, {}, id="4.5, none"),
        pytest.param("claude-opus-4-8", 0, {}, id="4.8, none"),
        pytest.param("claude-opus-5", 0, {"thinking": {"type": "disabled"}}, id="opus 5, none"),
        pytest.param("claude-haiku-5-5", 0, {"thinking": {"type": "disabled"}}, id="haiku 5.5, none"),
        pytest.param("claude-sonnet-5-5", 0, {"thinking": {"type": "between_tools"}}, id="sonnet 5.5, none"),
        pytest.param("claude-opus-5-5", 0, {"output_config": {"effort": "low"}}, id="opus 5.5 always thinks"),
        pytest.param("glm-5", 2_000, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, id="no Claude"),
    ],
)
def test_thinking_is_requested_in_the_fields_that_the_model_accepts(
    name: str, budget: int | None, expected: dict[str, object]
) -> None:
    sent = _sent(name, ModelSettings(thinking_budget=budget))
    del sent["max_tokens"]
    assert sent == expected


@pytest.mark.parametrize(("budget", "effort"), [(1_024, "low"), (8_000, "medium"), (30_000, "high")])
def test_models_without_a_budget_get_the_nearest_effort(budget: int, effort: str) -> None:
    sent = _sent("claude-opus-5-5", ModelSettings(thinking_budget=budget))
    assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert sent["output_config"] == {"effort": effort}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        pytest.param("claude-sonnet-5-5", ModelSettings(), 32_000, id="not set"),
        pytest.param("claude-3-haiku-20240307", ModelSettings(), 4_096, id="an old model"),
        pytest.param("claude-sonnet-4-5", ModelSettings(max_output_tokens=50), 50, id="set"),
        pytest.param("claude-sonnet-4-5", ModelSettings(thinking_budget=8_000), 40_000, id="with room for thinking"),
        pytest.param("claude-sonnet-4-5", ModelSettings(thinking_budget=60_000), 64_000, id="up to the highest limit"),
    ],
)
def test_max_tokens_is_always_sent(name: str, settings: ModelSettings, expected: int) -> None:
    assert _sent(name, settings)["max_tokens"] == expected


def test_the_budget_stays_below_max_tokens() -> None:
    sent = _sent("claude-sonnet-4-5", ModelSettings(thinking_budget=9_000, max_output_tokens=2_000))
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 1_999}
    assert "thinking" not in _sent("claude-sonnet-4-5", ModelSettings(thinking_budget=9_000, max_output_tokens=500))


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        pytest.param("claude-haiku-4-5", ModelSettings(temperature=0.5), 0.5, id="accepted"),
        pytest.param("claude-haiku-4-5", ModelSettings(temperature=1.5), 1.0, id="at most 1"),
        pytest.param("claude-haiku-4-5", ModelSettings(temperature=0.5, thinking_budget=2_000), None, id="thinking"),
        pytest.param("claude-sonnet-5", ModelSettings(temperature=0.5), None, id="not accepted"),
    ],
)
def test_a_temperature_is_sent_if_it_is_accepted_with_the_api_version_that_accepts_it(
    name: str, settings: ModelSettings, expected: float | None
) -> None:
    assert _sent(name, settings).get("temperature") == expected
    version = TEMPERATURE_API_VERSION if expected is not None else None
    assert anthropic_headers(_request(name, settings)).get("anthropic-version") == version
