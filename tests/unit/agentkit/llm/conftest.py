from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings, ToolSpec

GOLDEN = Path(__file__).parent / "golden"

WEATHER = ToolSpec(
    name="mcp:weather/now",
    description="Tells the weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
REPORT: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number", "minimum": -90}},
    "required": ["city", "degrees"],
}


@pytest.fixture
def rich_request() -> Callable[[str], ModelRequest]:
    """Build the second request of a task, with everything that a request can contain, for a model."""

    def build(model: str) -> ModelRequest:
        provider, _, _ = model.partition(":")
        thought = ThinkingPart(text="Two questions.", provider=provider, signature="c2lnbmVk")
        foreign = ThinkingPart(text="Not to be sent.", provider="demo", signature="c2lnbmVk")
        question = (TextPart(text="What is it like here?"), ImagePart(data=b"iVBORw0=", media_type="image/png"))
        calls = (
            ToolCall(id="call_1", name=WEATHER.name, arguments={"city": "Zürich"}),
            ToolCall(id="call:2", name="clock"),
        )
        results = (
            ToolResult(call_id="call_1", name=WEATHER.name, content='{"degrees": 21.5}'),
            ToolResult(call_id="call:2", name="clock", content="The clock has stopped.", is_error=True),
        )
        return ModelRequest(
            model=model,
            system="You report the weather.",
            messages=(
                user_message(question),
                Message(role="assistant", parts=(thought, foreign, TextPart(text="Let me see."), *calls), model=model),
                Message(role="tool", parts=results),
            ),
            tools=(WEATHER, CLOCK),
            settings=ModelSettings(max_output_tokens=4_000, thinking_budget=2_000),
            output_schema=REPORT,
        )

    return build


@pytest.fixture
def assert_golden(tmp_path: Path) -> Callable[[str, Mapping[str, object]], None]:
    """Compare a request body with a golden file; the error names the file to copy after an intended change."""

    def check(name: str, body: Mapping[str, object]) -> None:
        actual = tmp_path / name
        actual.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        golden = GOLDEN / name
        assert golden.is_file(), f"{golden} is missing; the body is in {actual}"
        assert actual.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8"), f"the body is in {actual}"

    return check
