"""The search attributes and memo keys by which tasks are found; registered by ``opspawn setup``."""

from __future__ import annotations

from temporalio.common import SearchAttributeIndexedValueType, SearchAttributeKey

__all__ = [
    "AGENT",
    "CONVERSATION",
    "COST_USD",
    "MEMO_BODY_HASH",
    "MEMO_METADATA",
    "MEMO_TITLE",
    "MEMO_USAGE",
    "MEMO_USER",
    "PARENT",
    "SEARCH_ATTRIBUTES",
    "STATUS",
    "STEPS",
    "TAGS",
    "TENANT",
    "TOKENS",
    "search_attribute_types",
]

STATUS = SearchAttributeKey.for_keyword("OpspawnStatus")
"""A ``TaskStatus`` as the task last said; Temporal's own execution status wins where it has ended."""
AGENT = SearchAttributeKey.for_keyword("OpspawnAgent")
CONVERSATION = SearchAttributeKey.for_keyword("OpspawnConversationId")
PARENT = SearchAttributeKey.for_keyword("OpspawnParentId")
TENANT = SearchAttributeKey.for_keyword("OpspawnTenant")
TAGS = SearchAttributeKey.for_keyword_list("OpspawnTags")
STEPS = SearchAttributeKey.for_int("OpspawnSteps")
"""Set when the status changes, and at the end."""
TOKENS = SearchAttributeKey.for_int("OpspawnTokens")
COST_USD = SearchAttributeKey.for_float("OpspawnCostUsd")

SEARCH_ATTRIBUTES = (STATUS, AGENT, CONVERSATION, PARENT, TENANT, TAGS, STEPS, TOKENS, COST_USD)

MEMO_TITLE = "title"
"""The first words of the input, for lists."""
MEMO_BODY_HASH = "body_hash"
"""SHA-256 of the request body, beside an Idempotency-Key."""
MEMO_USAGE = "usage"
"""What the task has spent, when it has ended: a ``Usage``."""
MEMO_METADATA = "metadata"
"""The task's ``metadata``, an object of text."""
MEMO_USER = "user"
"""The task's ``user``: whose it is."""

_TYPE_NAMES = {
    SearchAttributeIndexedValueType.KEYWORD: "Keyword",
    SearchAttributeIndexedValueType.KEYWORD_LIST: "KeywordList",
    SearchAttributeIndexedValueType.INT: "Int",
    SearchAttributeIndexedValueType.DOUBLE: "Double",
}


def search_attribute_types() -> dict[str, str]:
    """Return each name with the type name that Temporal's command line takes."""
    return {key.name: _TYPE_NAMES[key.indexed_value_type] for key in SEARCH_ATTRIBUTES}
