from __future__ import annotations

import pytest
from pydantic import ValidationError

from agentkit.records import Record


class _Old(Record):
    beta: str
    alpha: int


class _New(Record):
    beta: str
    alpha: int
    added: str | None = None


def test_records_are_frozen() -> None:
    record = _Old(beta="b", alpha=1)
    with pytest.raises(ValidationError, match="frozen"):
        record.alpha = 2


def test_a_record_of_a_newer_release_with_an_unknown_field_is_read() -> None:
    written = _New(beta="b", alpha=1, added="more").model_dump_json()
    assert _Old.model_validate_json(written) == _Old(beta="b", alpha=1)


def test_canonical_json_keeps_the_declared_order_of_fields() -> None:
    assert _Old(alpha=1, beta="ü").canonical_json() == '{"beta":"ü","alpha":1}'.encode()


def test_a_new_field_that_is_unset_does_not_change_the_canonical_json() -> None:
    assert _New(beta="b", alpha=1).canonical_json() == _Old(beta="b", alpha=1).canonical_json()
