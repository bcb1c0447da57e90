"""Pieces of answers as the messages of the relay's wire."""

from __future__ import annotations

from activities.streaming.proto.opspawn.internal.v1 import relay_pb2 as wire
from activities.streaming.token_streams import AnswerId, Piece, Start
from agentkit.interfaces import ModelDelta

__all__ = ["OPTIONS", "piece_from", "piece_message"]

OPTIONS = [
    ("grpc.max_receive_message_length", 16 * 1_048_576),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),  # else a second process would share the port, and take half of the workers
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else a new attempt waits for the backoff of those before
]
"""Of both ends: a lost peer is noticed within 15 s."""

_KINDS = {"text": wire.KIND_TEXT, "thinking": wire.KIND_THINKING, "tool_arguments": wire.KIND_TOOL_ARGUMENTS}
_STARTS: dict[Start, wire.Start.ValueType] = {
    "on": wire.START_WHERE_IT_WAS,
    "new": wire.START_NEW,
    "again": wire.START_AGAIN,
}
_STARTS_BY_NUMBER: dict[int, Start] = {number: start for start, number in _STARTS.items()}


def piece_message(piece: Piece) -> wire.Piece:
    """Return a piece as it is sent."""
    answer = piece.answer
    return wire.Piece(
        task_id=answer.task_id,
        run_id=answer.run_id,
        activity_id=answer.activity_id,
        attempt=answer.attempt,
        step=answer.step,
        start=_STARTS[piece.start],
        deltas=[wire.Delta(kind=_KINDS[delta.kind], text=_text(delta.text)) for delta in piece.deltas],
        last=piece.last,
    )


def piece_from(message: wire.Piece) -> Piece | None:
    """Return a piece as it was meant; None where a later release means what this one doesn't know."""
    if message.start not in _STARTS_BY_NUMBER:
        return None
    answer = AnswerId(message.task_id, message.run_id, message.activity_id, message.attempt, message.step)
    deltas = tuple(filter(None, map(_delta_from, message.deltas)))
    return Piece(answer, _STARTS_BY_NUMBER[message.start], deltas, message.last)


def _delta_from(message: wire.Delta) -> ModelDelta | None:
    match message.kind:
        case wire.KIND_TEXT:
            return ModelDelta("text", message.text)
        case wire.KIND_THINKING:
            return ModelDelta("thinking", message.text)
        case wire.KIND_TOOL_ARGUMENTS:
            return ModelDelta("tool_arguments", message.text)
    return None


def _text(text: str) -> str:
    """Return what can be sent: half a surrogate pair can't."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
