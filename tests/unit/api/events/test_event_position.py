from __future__ import annotations

import string
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.events.event_position import Position
from api.tasks.errors import PositionInvalid

RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"
POSITIONS = st.builds(
    Position,
    run_id=st.uuids().map(str),
    event_id=st.integers(1, 51_200),
    index=st.integers(0, 99),
)
TASK_IDS = st.text(min_size=1, max_size=40)


@given(POSITIONS, TASK_IDS)
def test_decode_returns_the_encoded_position(position: Position, task_id: str) -> None:
    text = position.encode(task_id)
    assert Position.decode(text, task_id) == position
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@given(POSITIONS, TASK_IDS, TASK_IDS)
def test_a_position_is_valid_for_its_own_task_only(position: Position, task_id: str, other: str) -> None:
    assume(task_id != other)
    with pytest.raises(PositionInvalid, match="another task"):
        Position.decode(position.encode(task_id), other)


@given(st.text(alphabet=string.hexdigits + ".-\x00\n é٣", max_size=80))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(PositionInvalid):
        Position.decode(text, "t")


@given(POSITIONS, st.data())
def test_a_position_with_one_character_changed_is_another_or_invalid(position: Position, data: st.DataObject) -> None:
    text = position.encode("t")
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(exclude_characters=text[at])) + text[at + 1 :]
    try:
        assert Position.decode(changed, "t") != position
    except PositionInvalid:
        return


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace(".7.", ".007."),
        lambda text: text.replace(".7.", ".0."),
        lambda text: text.replace(".7.", ".7777777777777."),
        lambda text: text.rpartition(".")[0],
    ],
    ids=["newline", "upper", "zeros", "event-0", "long", "short"],
)
def test_a_position_has_one_spelling(change: object) -> None:
    text = Position(RUN_ID, 7, 0).encode("task-ab")
    assert Position.decode(text, "task-ab").run_id == str(UUID(RUN_ID))
    assert callable(change)
    with pytest.raises(PositionInvalid):
        Position.decode(change(text), "task-ab")
