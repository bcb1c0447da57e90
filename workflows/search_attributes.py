"""Search attributes and memo keys of tasks. ``opspawn setup`` registers the search attributes."""

from __future__ import annotations

from typing import Literal

from temporalio.common import SearchAttributeIndexedValueType, SearchAttributeKey

__all__ = [
    "AGENT",
    "ANY_APPROVER",
    "CONVERSATION",
    "COST_USD",
    "INPUT",
    "INPUT_SINCE",
    "MAX_LISTED_REQUESTS",
    "MEMO_BODY_HASH",
    "MEMO_FORKED_FROM",
    "MEMO_INPUT_REQUESTS",
    "MEMO_METADATA",
    "MEMO_TITLE",
    "MEMO_TRACEPARENT",
    "MEMO_USAGE",
    "MEMO_USER",
    "PARENT",
    "SEARCH_ATTRIBUTES",
    "STATUS",
    "STEPS",
    "TAGS",
    "TENANT",
    "TOKENS",
    "input_term",
    "search_attribute_types",
]

STATUS = SearchAttributeKey.for_keyword("OpspawnStatus")
"""The ``TaskStatus`` that the task set last; once it has ended, Temporal's own execution status has priority."""
AGENT = SearchAttributeKey.for_keyword("OpspawnAgent")
CONVERSATION = SearchAttributeKey.for_keyword("OpspawnConversationId")
PARENT = SearchAttributeKey.for_keyword("OpspawnParentId")
TENANT = SearchAttributeKey.for_keyword("OpspawnTenant")
TAGS = SearchAttributeKey.for_keyword_list("OpspawnTags")
STEPS = SearchAttributeKey.for_int("OpspawnSteps")
"""Set at the end, and at most every few seconds before, as the next two are."""
TOKENS = SearchAttributeKey.for_int("OpspawnTokens")
COST_USD = SearchAttributeKey.for_float("OpspawnCostUsd")
INPUT = SearchAttributeKey.for_keyword_list("OpspawnInput")
"""Of the pending input requests: ``kind:approval``, ``approver:finance`` and the like. Unset where none is pending."""
ANY_APPROVER = "approver:*"
"""In ``INPUT`` where the approvers are too many for it: their names are in the memo."""
INPUT_SINCE = SearchAttributeKey.for_datetime("OpspawnInputSince")
"""When the oldest pending input request was opened. Unset where none is pending."""

SEARCH_ATTRIBUTES = (STATUS, AGENT, CONVERSATION, PARENT, TENANT, TAGS, STEPS, TOKENS, COST_USD, INPUT, INPUT_SINCE)

MEMO_TITLE = "title"
"""The first words of the input, for lists."""
MEMO_BODY_HASH = "body_hash"
"""SHA-256 of the request body, beside an Idempotency-Key."""
MEMO_USAGE = "usage"
"""The ``Usage`` of a task: set with the search attributes of its steps and tokens."""
MEMO_INPUT_REQUESTS = "input_requests"
"""The pending ``InputRequest`` records; without arguments where they are long. Set when the first one opens."""
MAX_LISTED_REQUESTS = 20
"""Requests in the memo; further ones follow when these are answered."""
MEMO_FORKED_FROM = "forked_from"
"""Of a fork: ``{task_id, step}`` of the task that it goes on from."""
MEMO_METADATA = "metadata"
"""The task's ``metadata``, an object of text."""
MEMO_TRACEPARENT = "traceparent"
"""The span of the caller that the task's trace continues, where the request named one."""
MEMO_USER = "user"
"""The task's ``user``: the scope of long-term memory."""

_TYPE_NAMES = {
    SearchAttributeIndexedValueType.KEYWORD: "Keyword",
    SearchAttributeIndexedValueType.KEYWORD_LIST: "KeywordList",
    SearchAttributeIndexedValueType.INT: "Int",
    SearchAttributeIndexedValueType.DOUBLE: "Double",
    SearchAttributeIndexedValueType.DATETIME: "Datetime",
}


def input_term(field: Literal["kind", "approver"], value: str) -> str:
    """Return an entry of ``INPUT``, such as ``kind:approval`` or ``approver:finance``."""
    return f"{field}:{value}"


def search_attribute_types() -> dict[str, str]:
    """Return the type of each search attribute, as Temporal's command line writes it, by name."""
    return {key.name: _TYPE_NAMES[key.indexed_value_type] for key in SEARCH_ATTRIBUTES}
