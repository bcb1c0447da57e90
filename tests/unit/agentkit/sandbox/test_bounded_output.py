"""The output of programs is kept in bounded memory: its start and its end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentkit.sandbox.bounded_output import BoundedOutput


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(min_value=8, max_value=400))
def test_start_and_end_are_those_of_the_output(parts: list[bytes], kept: int) -> None:
    parts = [part.replace(b"\n", b"n").decode("ascii", "ignore").encode() for part in parts]
    output = BoundedOutput(kept)
    for part in parts:
        output.add(part)
    whole = b"".join(parts).decode()
    result = output.result()
    assert result.bytes_written == len(whole)
    assert whole.startswith(result.head)
    assert whole.endswith(result.tail)
    assert len(result.head) + len(result.tail) + result.bytes_left_out == len(whole)
    assert (result.bytes_left_out > 0) == (len(whole) > kept)
    assert len(result.head) + len(result.tail) <= kept


def test_a_character_that_is_cut_is_left_out() -> None:
    output = BoundedOutput(8)
    output.add("€€€€".encode())
    assert output.result().head == "€€"


def test_a_gigabyte_takes_little_memory() -> None:
    output = BoundedOutput(1000)
    for _ in range(1000):
        output.add(bytes(2**20))
    assert len(output._tail) < 2**21
