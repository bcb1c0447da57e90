from __future__ import annotations

import pytest

from agentkit.messages import ImagePart, InputPart, TextPart, Usage, user_message
from api.tasks.task_snapshot import TaskUrls, TaskUsage, input_content

IMAGE = ImagePart(url="https://example.org/a.png")


@pytest.mark.parametrize(
    ("content", "expected"),
    [("Hi", "Hi"), ((TextPart(text="Hi"),), "Hi"), ((TextPart(text="Hi"), IMAGE), (TextPart(text="Hi"), IMAGE))],
    ids=["text", "one-text-part", "parts"],
)
def test_the_input_of_a_task_is_its_first_message(
    content: str | tuple[InputPart, ...], expected: str | tuple[InputPart, ...]
) -> None:
    assert input_content(user_message(content)) == expected


def test_usage_sums_input_and_output_tokens() -> None:
    usage = Usage(input_tokens=20, output_tokens=10, cached_tokens=5, cache_write_tokens=3, cost_usd=0.1, model_calls=2)
    assert TaskUsage.of(usage) == TaskUsage(
        tokens=30, input_tokens=20, output_tokens=10, cached_tokens=5, cost_usd=0.1, model_calls=2
    )


def test_links_quote_the_id() -> None:
    links = TaskUrls("/api/v1/tasks/", "http://ui/workflows/").links("a/b c")
    assert links == {
        "self": "/api/v1/tasks/a%2Fb%20c",
        "events": "/api/v1/tasks/a%2Fb%20c/events",
        "temporal_ui": "http://ui/workflows/a%2Fb%20c",
    }
