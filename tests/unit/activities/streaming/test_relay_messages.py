from __future__ import annotations

from typing import get_args

import pytest

from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import Delta
from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import Piece as Message
from activities.streaming.relay_messages import piece_from, piece_message
from activities.streaming.token_streams import AnswerId, Piece, Start
from agentkit.interfaces import ModelDelta

ANSWER = AnswerId("task", "run", "5", 2, 3)
DELTAS = (ModelDelta("thinking", "Hm."), ModelDelta("text", "Grüß dich 👋"), ModelDelta("tool_arguments", '{"a": 1}'))


@pytest.mark.parametrize("start", get_args(Start))
@pytest.mark.parametrize("last", [True, False])
def test_a_piece_arrives_as_it_was_sent(start: Start, last: bool) -> None:
    piece = Piece(ANSWER, start, DELTAS, last)
    assert piece_from(Message.FromString(piece_message(piece).SerializeToString())) == piece


def test_half_a_character_does_not_stop_the_rest() -> None:
    piece = Piece(ANSWER, "on", (ModelDelta("text", "a\ud83d"),))
    arrived = piece_from(piece_message(piece))
    assert arrived is not None
    assert arrived.deltas == (ModelDelta("text", "a?"),)


def test_what_a_later_release_means_is_passed_over() -> None:
    message = piece_message(Piece(ANSWER, "on", DELTAS))
    message.deltas.append(Delta(kind=99, text="?"))  # type: ignore[arg-type]  # a kind to come
    arrived = piece_from(message)
    assert arrived is not None
    assert arrived.deltas == DELTAS
    message.start = 99  # type: ignore[assignment]  # a start to come
    assert piece_from(message) is None
