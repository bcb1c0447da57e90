from __future__ import annotations

from agentkit.messages import Message, SummarizedMessages, TextPart, user_message
from agentkit.summarized_responses import newest_request, summarized_responses
from tests.compaction_transcripts import said

SUMMARY = Message(
    role="user",
    parts=(TextPart(text="A summary."),),
    source="compaction",
    summary_of=SummarizedMessages(messages=9, responses=4),
)


def test_a_summary_stands_for_responses_to_the_request_before_or_right_behind_it() -> None:
    assert summarized_responses([user_message("go"), SUMMARY, said("a")]) == 4
    assert summarized_responses([user_message("go"), SUMMARY, user_message("now"), said("a")]) == 4


def test_a_request_after_further_responses_is_a_new_one() -> None:
    assert summarized_responses([user_message("go"), SUMMARY, said("a"), user_message("next")]) == 0


def test_without_a_summary_there_are_none() -> None:
    assert summarized_responses([user_message("go"), said("a")]) == 0


def test_only_people_make_requests() -> None:
    feedback = Message(role="user", parts=(TextPart(text="again"),), source="planner")
    assert newest_request([user_message("go"), said("a"), feedback, SUMMARY]) == 0
    assert newest_request([said("a")]) is None
