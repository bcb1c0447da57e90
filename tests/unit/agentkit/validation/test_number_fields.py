from __future__ import annotations

import pytest

from agentkit.validation.number_fields import require_number


@pytest.mark.parametrize("value", [0, -1, 2.5, None, "5 minutes", "", [1], {}])
def test_numbers_and_what_pydantic_judges_pass_unchanged(value: object) -> None:
    assert require_number(value) is value


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(value: bool) -> None:
    with pytest.raises(ValueError, match="not true or false"):
        require_number(value)


@pytest.mark.parametrize("value", ["5", " 5 ", "1e3", "-0.5", "nan", "inf", "1_000"])
def test_text_of_a_number_is_refused_with_the_cure(value: str) -> None:
    with pytest.raises(ValueError, match="leave out the quotes"):
        require_number(value)
