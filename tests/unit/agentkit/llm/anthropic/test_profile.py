from __future__ import annotations

import pytest

from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.profile import OLD_API_VERSION
from agentkit.llm.anthropic.request import wire_headers, wire_request
from agentkit.messages import user_message
from agentkit.specs import ModelSettings


def _request(name: str, settings: ModelSettings) -> ModelRequest:
    return ModelRequest(model=f"anthropic:{name}", system="", messages=(user_message("Hi"),), settings=settings)


def _sent(name: str, settings: ModelSettings) -> dict[str, object]:
    """Return what is sent besides the messages."""
    written = wire_request(_request(name, settings))
    return {key: value for key, value in written.items() if key != "messages"}


@pytest.mark.parametrize(
    ("name", "budget", "expected"),
    [
        pytest.param("claude-sonnet-4-6", None, {}, id="not said"),
        pytest.param("claude-sonnet-4-6", 2_000, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, id="4.6"),
        pytest.param("claude-opus-4-20250514", 9, {"thinking": {"type": "enabled", "budget_tokens": 1_024}}, id="less"),
        pytest.param("claude-haiku-4-5", 0, {}, id="4.5, none"),
        pytest.param("claude-opus-4-8", 0, {}, id="4.8, none"),
        pytest.param("claude-opus-5", 0, {"thinking": {"type": "disabled"}}, id="opus 5, none"),
        pytest.param("claude-haiku-5-5", 0, {"thinking": {"type": "disabled"}}, id="haiku 5.5, none"),
        pytest.param("claude-sonnet-5-5", 0, {"thinking": {"type": "between_tools"}}, id="sonnet 5.5, none"),
        pytest.param("claude-opus-5-5", 0, {"output_config": {"effort": "low"}}, id="opus 5.5 can't but think"),
        pytest.param("glm-5", 2_000, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, id="no Claude"),
    ],
)
def test_thinking_is_asked_for_in_the_way_that_the_model_takes(
    name: str, budget: int | None, expected: dict[str, object]
) -> None:
    sent = _sent(name, ModelSettings(thinking_budget=budget))
    del sent["max_tokens"]
    assert sent == expected


@pytest.mark.parametrize(("budget", "effort"), [(1_024, "low"), (8_000, "medium"), (30_000, "high")])
def test_models_that_take_no_budget_are_told_the_effort_that_comes_near(budget: int, effort: str) -> None:
    sent = _sent("claude-opus-5-5", ModelSettings(thinking_budget=budget))
    assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert sent["output_config"] == {"effort": effort}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        pytest.param("claude-sonnet-5-5", ModelSettings(), 32_000, id="not said"),
        pytest.param("claude-3-haiku-20240307", ModelSettings(), 4_096, id="an old one"),
        pytest.param("claude-sonnet-4-5", ModelSettings(max_output_tokens=50), 50, id="said"),
        pytest.param("claude-sonnet-4-5", ModelSettings(thinking_budget=8_000), 40_000, id="room for thoughts"),
        pytest.param("claude-sonnet-4-5", ModelSettings(thinking_budget=60_000), 64_000, id="all that it takes"),
    ],
)
def test_it_is_always_said_how_much_may_be_written(name: str, settings: ModelSettings, expected: int) -> None:
    assert _sent(name, settings)["max_tokens"] == expected


def test_the_budget_stays_below_what_may_be_written() -> None:
    sent = _sent("claude-sonnet-4-5", ModelSettings(thinking_budget=9_000, max_output_tokens=2_000))
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 1_999}
    assert "thinking" not in _sent("claude-sonnet-4-5", ModelSettings(thinking_budget=9_000, max_output_tokens=500))


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        pytest.param("claude-haiku-4-5", ModelSettings(temperature=0.5), 0.5, id="taken"),
        pytest.param("claude-haiku-4-5", ModelSettings(temperature=1.5), 1.0, id="as hot as it gets"),
        pytest.param("claude-haiku-4-5", ModelSettings(temperature=0.5, thinking_budget=2_000), None, id="thinking"),
        pytest.param("claude-sonnet-5", ModelSettings(temperature=0.5), None, id="not taken"),
    ],
)
def test_a_temperature_is_sent_where_it_is_taken_in_the_version_that_takes_it(
    name: str, settings: ModelSettings, expected: float | None
) -> None:
    assert _sent(name, settings).get("temperature") == expected
    version = OLD_API_VERSION if expected is not None else None
    assert wire_headers(_request(name, settings)).get("anthropic-version") == version
