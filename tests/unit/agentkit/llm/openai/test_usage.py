from __future__ import annotations

from typing import Any

import pytest

from agentkit.llm.openai.usage import OpenAIUsage
from agentkit.messages import Usage


def _usage(*received: dict[str, Any]) -> Usage:
    merged: OpenAIUsage | None = None
    for one in received:
        merged = OpenAIUsage.model_validate(one).merged_over(merged)
    assert merged is not None
    return merged.usage()


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param({"prompt_tokens": 3, "completion_tokens": 2}, {}, id="Chat Completions"),
        pytest.param({"input_tokens": 3, "output_tokens": 2}, {}, id="Responses"),
        pytest.param({"input_tokens": 3, "output_tokens": 2, "prompt_tokens": None}, {}, id="both, one null"),
        pytest.param(
            {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
            {"cached_tokens": 1},
            id="cached",
        ),
        pytest.param(
            {"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 1}, {"cached_tokens": 1}, id="Moonshot"
        ),
        pytest.param(
            {"prompt_tokens": 3, "completion_tokens": 2, "prompt_cache_hit_tokens": 1, "prompt_cache_miss_tokens": 2},
            {"cached_tokens": 1},
            id="DeepSeek",
        ),
        pytest.param(
            {"prompt_tokens": 3, "completion_tokens": 2, "reasoning_tokens": 1},
            {"reasoning_tokens": 1},
            id="reasoning beside the others",
        ),
        pytest.param(
            {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9},
            {"output_tokens": 6},
            id="reasoning only in the total",
        ),
        pytest.param(
            {"prompt_tokens": 3, "completion_tokens": 2, "cost": {"total_cost": 0.1}, "prompt_tokens_details": None},
            {},
            id="odd fields",
        ),
        pytest.param({"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.5}, {"cost_usd": 0.5}, id="cost"),
    ],
)
def test_tokens_are_read_under_the_names_of_many_servers(received: dict[str, Any], expected: dict[str, Any]) -> None:
    assert _usage(received) == Usage(input_tokens=3, output_tokens=2, model_calls=1).model_copy(update=expected)


def test_a_later_count_replaces_an_earlier_one_unless_it_is_zero_or_missing() -> None:
    first = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}}
    second = {"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": None, "cost": 0.0}
    assert _usage(first, second) == Usage(
        input_tokens=10, output_tokens=7, cached_tokens=5, cost_usd=0.0, model_calls=1
    )
