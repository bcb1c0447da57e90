from __future__ import annotations

from workflows.search_attributes import (
    MEMO_BODY_HASH,
    MEMO_FORKED_FROM,
    MEMO_METADATA,
    MEMO_TITLE,
    MEMO_USAGE,
    MEMO_USER,
    SEARCH_ATTRIBUTES,
    input_term,
    search_attribute_types,
)


def test_search_attributes_keep_their_names_and_types() -> None:
    """A change would need a migration of every server on which they are registered."""
    assert search_attribute_types() == {
        "OpspawnStatus": "Keyword",
        "OpspawnAgent": "Keyword",
        "OpspawnConversationId": "Keyword",
        "OpspawnParentId": "Keyword",
        "OpspawnTenant": "Keyword",
        "OpspawnTags": "KeywordList",
        "OpspawnSteps": "Int",
        "OpspawnTokens": "Int",
        "OpspawnCostUsd": "Double",
        "OpspawnInput": "KeywordList",
        "OpspawnInputSince": "Datetime",
    }
    assert len(SEARCH_ATTRIBUTES) == len(search_attribute_types())


def test_memo_keys_keep_their_names() -> None:
    keys = (MEMO_TITLE, MEMO_BODY_HASH, MEMO_USAGE, MEMO_METADATA, MEMO_USER, MEMO_FORKED_FROM)
    assert keys == ("title", "body_hash", "usage", "metadata", "user", "forked_from")


def test_terms_of_the_inbox_keep_their_form() -> None:
    assert (input_term("kind", "approval"), input_term("approver", "finance")) == ("kind:approval", "approver:finance")
