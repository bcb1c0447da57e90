"""The relay's protocol, as both ends use it: channel options, and token batches as protobuf messages."""

from __future__ import annotations

from activities.streaming.proto.opspawn.internal.v1 import relay_pb2
from activities.streaming.token_batches import BatchKind, ResponseId, TokenBatch
from agentkit.interfaces import ModelDelta

__all__ = ["CHANNEL_OPTIONS", "batch_from", "batch_message"]

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 16 * 1_048_576),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),  # else a second process would share the port, and get half of the workers
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else a new connection waits for the backoff of those before
]
"""gRPC channel options of client and server: each notices within 15 s that the other is lost."""

_DELTA_KINDS = {
    "text": relay_pb2.DELTA_KIND_TEXT,
    "thinking": relay_pb2.DELTA_KIND_THINKING,
    "tool_arguments": relay_pb2.DELTA_KIND_TOOL_ARGUMENTS,
}
_BATCH_KINDS: dict[BatchKind, relay_pb2.BatchKind.ValueType] = {
    "continue": relay_pb2.BATCH_KIND_CONTINUE,
    "start": relay_pb2.BATCH_KIND_START,
    "restart": relay_pb2.BATCH_KIND_RESTART,
}
_BATCH_KINDS_BY_NUMBER: dict[int, BatchKind] = {number: kind for kind, number in _BATCH_KINDS.items()}


def batch_message(batch: TokenBatch) -> relay_pb2.TokenBatch:
    """Return a batch as a message."""
    response = batch.response
    return relay_pb2.TokenBatch(
        task_id=response.task_id,
        run_id=response.run_id,
        activity_id=response.activity_id,
        attempt=response.attempt,
        step=response.step,
        kind=_BATCH_KINDS[batch.kind],
        deltas=[relay_pb2.Delta(kind=_DELTA_KINDS[delta.kind], text=_encodable(delta.text)) for delta in batch.deltas],
        last=batch.last,
    )


def batch_from(message: relay_pb2.TokenBatch) -> TokenBatch | None:
    """Return a message's batch, without deltas of unknown kinds; None where the batch's own kind is unknown.

    Kinds are unknown where the worker is of a later release.
    """
    if message.kind not in _BATCH_KINDS_BY_NUMBER:
        return None
    response = ResponseId(message.task_id, message.run_id, message.activity_id, message.attempt, message.step)
    deltas = tuple(filter(None, map(_delta_from, message.deltas)))
    return TokenBatch(response, _BATCH_KINDS_BY_NUMBER[message.kind], deltas, message.last)


def _delta_from(message: relay_pb2.Delta) -> ModelDelta | None:
    match message.kind:
        case relay_pb2.DELTA_KIND_TEXT:
            return ModelDelta("text", message.text)
        case relay_pb2.DELTA_KIND_THINKING:
            return ModelDelta("thinking", message.text)
        case relay_pb2.DELTA_KIND_TOOL_ARGUMENTS:
            return ModelDelta("tool_arguments", message.text)
    return None


def _encodable(text: str) -> str:
    """Return the text with lone surrogates replaced, which UTF-8 can't encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
