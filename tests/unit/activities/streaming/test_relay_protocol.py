from __future__ import annotations

from typing import get_args

import pytest

from activities.streaming.proto.opspawn.internal.v1 import relay_pb2
from activities.streaming.relay_protocol import batch_from, batch_message
from activities.streaming.token_batches import BatchKind, ResponseId, TokenBatch
from agentkit.interfaces import ModelDelta

RESPONSE = ResponseId("task", "run", "5", 2, 3)
DELTAS = (ModelDelta("thinking", "Hm."), ModelDelta("text", "Grüß dich 👋"), ModelDelta("tool_arguments", '{"a": 1}'))


@pytest.mark.parametrize("kind", get_args(BatchKind))
@pytest.mark.parametrize("last", [True, False])
def test_a_batch_is_received_as_it_was_sent(kind: BatchKind, last: bool) -> None:
    batch = TokenBatch(RESPONSE, kind, DELTAS, last)
    received = relay_pb2.TokenBatch.FromString(batch_message(batch).SerializeToString())
    assert batch_from(received) == batch


def test_a_lone_surrogate_is_replaced() -> None:
    batch = TokenBatch(RESPONSE, "continue", (ModelDelta("text", "a\ud83d"),))
    received = batch_from(batch_message(batch))
    assert received is not None
    assert received.deltas == (ModelDelta("text", "a?"),)


def test_deltas_and_batches_of_a_later_release_are_ignored() -> None:
    message = batch_message(TokenBatch(RESPONSE, "continue", DELTAS))
    message.deltas.append(relay_pb2.Delta(kind=99, text="?"))  # type: ignore[arg-type]  # a kind to come
    received = batch_from(message)
    assert received is not None
    assert received.deltas == DELTAS
    message.kind = 99  # type: ignore[assignment]  # a kind to come
    assert batch_from(message) is None
