from __future__ import annotations

import pytest

from api.grpc.message_fields import idempotency_key, input_fields, limits_fields
from api.proto.opspawn.v1 import conversations_pb2, tasks_pb2
from api.tasks.errors import RequestInvalid


def test_every_request_with_a_key_has_it_read_alike() -> None:
    assert idempotency_key(conversations_pb2.CreateConversationRequest(idempotency_key="k1")) == "k1"
    assert idempotency_key(conversations_pb2.SendConversationMessageRequest()) is None
    with pytest.raises(RequestInvalid):
        idempotency_key(conversations_pb2.ForkConversationRequest(idempotency_key=""))


def test_an_input_of_two_kinds_is_refused() -> None:
    prompt = tasks_pb2.PromptInput(prompt="a/b")
    with pytest.raises(RequestInvalid):
        input_fields(tasks_pb2.Input(text="x", prompt=prompt))
    assert input_fields(tasks_pb2.Input(prompt=prompt)) == {"prompt": "a/b", "arguments": {}}


def test_only_the_limits_that_are_set_change() -> None:
    limits = tasks_pb2.LimitsChange(max_steps=3, on_exhausted=tasks_pb2.ON_EXHAUSTED_ASK)
    limits.deadline.FromMilliseconds(1500)
    assert limits_fields(limits) == {"max_steps": 3, "deadline": 1.5, "on_exhausted": "ask"}
