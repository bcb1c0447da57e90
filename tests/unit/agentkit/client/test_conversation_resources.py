"""Conversations as objects: which take messages."""

from __future__ import annotations

import pytest

from agentkit.client import Conversation
from tests.unit.scripted_api import conversation


@pytest.mark.parametrize(
    ("status", "ended"),
    [("idle", False), ("running", False), ("waiting", False), ("expired", True), ("deleted", True)],
)
def test_only_expired_and_deleted_conversations_have_ended(status: str, ended: bool) -> None:
    assert Conversation.from_json(conversation(status)).ended is ended
