from __future__ import annotations

import pytest

from agentkit.client import PromptReference, ResourceReference, TaskInputContent
from agentkit.client.sent_bodies import fork_body, has_references
from agentkit.messages import TextPart


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, False),
        ("a", False),
        ([TextPart(text="a")], False),
        ([TextPart(text="a"), ResourceReference(server="s", uri="a:b")], True),
        (PromptReference(prompt="s/p"), True),
    ],
    ids=["nothing", "text", "parts", "resource", "prompt"],
)
def test_only_prompts_and_resources_are_references(content: TaskInputContent | None, expected: bool) -> None:
    assert has_references(content) is expected


def test_a_fork_without_input_sends_none() -> None:
    body = fork_body(from_step=2, task_input=None, agent=None, model=None, limits=None)
    assert body == {"from_step": 2}
