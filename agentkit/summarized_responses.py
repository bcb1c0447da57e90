"""How many responses of a task are no longer in its transcript, because a summary stands for them."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.messages import Message

__all__ = ["newest_request", "summarized_responses"]


def newest_request(messages: Sequence[Message]) -> int | None:
    """Return the position of the newest message of a person; None if there is none."""
    return next((index for index in reversed(range(len(messages))) if _is_request(messages[index])), None)


def summarized_responses(messages: Sequence[Message]) -> int:
    """Return how many responses to the newest message of a person a summary in the transcript stands for."""
    summary_index = next((i for i in reversed(range(len(messages))) if messages[i].summary_of is not None), None)
    if summary_index is None:
        return 0
    request_index = newest_request(messages) or 0
    # Compaction leaves the newest request right behind the summary; one behind further responses has come since.
    if any(message.role == "assistant" for message in messages[summary_index:request_index]):
        return 0
    summary = messages[summary_index].summary_of
    return 0 if summary is None else summary.responses


def _is_request(message: Message) -> bool:
    return message.role == "user" and message.source is None
