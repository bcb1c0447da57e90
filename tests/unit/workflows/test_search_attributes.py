from __future__ import annotations

from workflows.search_attributes import (
    MEMO_BODY_HASH,
    MEMO_METADATA,
    MEMO_TITLE,
    SEARCH_ATTRIBUTES,
    search_attribute_types,
)


def test_search_attributes_keep_their_names_and_types() -> None:
    """They are registered on servers: a change of name or type needs a migration there."""
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
    }
    assert len(SEARCH_ATTRIBUTES) == len(search_attribute_types())


def test_memo_keys_keep_their_names() -> None:
    assert (MEMO_TITLE, MEMO_BODY_HASH, MEMO_METADATA) == ("title", "body_hash", "metadata")
