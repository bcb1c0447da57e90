from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from agentkit.llm.shared.failures import read_retry_after
from agentkit.llm.shared.redaction import redact_keys


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_the_wait_may_be_a_date() -> None:
    wait = read_retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert wait is not None
    assert 55 < wait <= 60


def test_a_date_that_has_passed_is_no_wait() -> None:
    assert read_retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Wrong key sk-proj-abcdefgh.",
        "Wrong key: sk-abc***wxyz",
        "Wrong key abcd****wxyz",
        "Sent Bearer abcdwxyz",
        "Wrong key my-own-key-1234567890",
        "Wrong key my-own-k...",
        "Wrong key ...34567890",
    ],
)
def test_no_part_of_a_key_remains(text: str) -> None:
    told = redact_keys(text, "my-own-key-1234567890")
    assert "[key]" in told
    for part in ("abc", "wxyz", "my-own", "7890"):
        assert part not in told


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["y" * 5_000_000, "y*" * 2_500_000, "sk" * 2_500_000], ids=["y", "stars", "keys"])
def test_a_word_of_megabytes_does_not_keep_the_worker_busy(text: str) -> None:
    assert len(redact_keys(text, "my-own-key-1234567890")) <= 20_000


def test_each_of_several_masked_keys_is_hidden() -> None:
    assert redact_keys("one***1,two***2 'three***3'", "unused") == "[key],[key] '[key]'"


@pytest.mark.parametrize(
    "text", ["The model `gpt-9` does not exist", "Use **bold** words", "A task-based risk-free desk"]
)
def test_other_words_remain(text: str) -> None:
    assert redact_keys(text, "unused") == text
