from __future__ import annotations

import contextlib
import math
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ToolError
from agentkit.tools.builtin.calculator import calculate


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("6*7", "42"),
        (" (3 + 4) * 2 ", "14"),
        ("7 / 2", "3.5"),
        ("8 / 2", "4"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("2 ** 10", "1024"),
        ("2 ** -2", "0.25"),
        ("2 ** 0.5 * 2 ** 0.5", "2"),
        ("0.1 + 0.2", "0.3"),
        ("+3 - -2", "5"),
        ("1_000 + 0x10", "1016"),
        ("1e3", "1000"),
        ("2e20 * 2", "4e+20"),
        ("5 × 6 ÷ 3 − 1", "9"),  # noqa: RUF001  pasted text has them
        ("sqrt(16) + cbrt(27)", "7"),
        ("sin(pi / 2)", "1"),
        ("log(e) + log10(1000) + log(8, 2)", "7"),
        ("round(2.567, 2)", "2.57"),
        ("round(1234, -2)", "1200"),
        ("floor(2.9) + ceil(2.1)", "5"),
        ("max(1, 2, 3) - min(1, 2)", "2"),
        ("factorial(20)", "2432902008176640000"),
        ("comb(5, 2) + gcd(12, 18) + lcm(4, 6)", "28"),
        ("degrees(tau)", "360"),
        ("hypot(3, 4)", "5"),
        ("abs(-3)", "3"),
        ("(" * 100 + "1" + ")" * 100, "1"),
    ],
)
def test_arithmetic_is_evaluated(expression: str, result: str) -> None:
    assert calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2**100 / 4", str(2**98)),
        ("(2**70 + 1) / 2 * 2", str(2**70 + 1)),
        ("10**30 / 3 * 3", str(10**30)),
        ("12345678901234567890 / 10 * 10 - 12345678901234567889", "1"),
        ("9007199254740993 / 1", "9007199254740993"),
        ("9007199254740991.0", "9007199254740991"),
        ("1e15 + 1", "1000000000000001"),
        ("floor(10**30 / 7)", str(10**30 // 7)),
        ("ceil(-(10**30) / 7)", str(-(10**30 // 7))),
        ("round(10**30 / 7, -3)", str(round(Fraction(10**30, 7), -3))),
        ("round(123456789012345678901)", "123456789012345678901"),
        ("(10**30 / 7) // 1 + (10**30 / 7) % 1 * 7", str(10**30 // 7 + 10**30 % 7)),
        ("sqrt(10**40)", str(10**20)),
        ("(10**40 + 2 * 10**20 + 1) ** 0.5", str(10**20 + 1)),
        ("(10**40) ** (1 / 2)", str(10**20)),
        ("sqrt(10**40 / 4)", str(10**20 // 2)),
        ("cbrt(10**90)", str(10**30)),
        ("cbrt(-(10**15))", str(-(10**5))),
        ("(10**20 / 2) ** 3", str((10**20 // 2) ** 3)),
        ("(1 / 10**20) ** -2", str(10**40)),
        ("factorial(100) / factorial(98)", "9900"),
        ("factorial(6 / 2)", "6"),
        ("max(2**64 / 1, 2.5)", str(2**64)),
        ("(1 + 1 / 365) ** 36500", "2.34457556595415e+43"),
        ("2 ** -2000", "0"),
    ],
)
def test_integers_are_exact_however_large(expression: str, result: str) -> None:
    assert calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("1 / 0", "Division by zero", id="zero"),
        pytest.param("0 ** -1", "Division by zero", id="zero power"),
        pytest.param("2 ^ 3", r"Write powers with \*\*", id="caret"),
        pytest.param("1,000 + 1", "Write 1000, not 1,000", id="comma"),
        pytest.param("sqr(2)", r"There is no 'sqr' here\. Did you mean 'sqrt'\?", id="function"),
        pytest.param("x + 1", "There is no 'x' here", id="name"),
        pytest.param("sqrt(-1)", "no real value", id="root"),
        pytest.param("(-8) ** 0.5", "no real value", id="complex"),
        pytest.param("1j * 1j", "isn't arithmetic", id="imaginary"),
        pytest.param("gcd(1.5, 2)", "takes other arguments", id="fraction"),
        pytest.param("round(1, 2.5)", "from -100 to 100 digits", id="digits"),
        pytest.param("(3 + ", "no arithmetic expression", id="unfinished"),
        pytest.param("", "no arithmetic expression", id="empty"),
        pytest.param("1or 2", "no arithmetic expression", id="keyword after a number"),
        pytest.param("\0", "no arithmetic expression", id="zero byte"),
        pytest.param("True + 1", "isn't arithmetic", id="bool"),
        pytest.param("'a' * 3", "isn't arithmetic", id="text"),
        pytest.param("(1).real", "isn't arithmetic", id="attribute"),
        pytest.param("__import__('os')", "There is no '__import__' here", id="import"),
        pytest.param("(lambda: 1)()", "isn't arithmetic", id="lambda"),
        pytest.param("[1][0]", "isn't arithmetic", id="list"),
        pytest.param("round(number=1)", "There is no 'round'|isn't arithmetic", id="keyword"),
        pytest.param("max(*(1, 2))", "isn't arithmetic", id="star"),
    ],
)
def test_other_expressions_are_refused_with_a_reason(expression: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        calculate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "9**9**9**9",
        "(-9)**(9**9)",
        "9.5**9**9",
        "2**4096 * 2**4096",
        "1e308 * 10",
        "1e999",
        "factorial(501)",
        "comb(10**6, 10**5)",
        "perm(10**6, 10**6)",
        "exp(1000)",
        "2**4000 + 0.5",
    ],
)
@pytest.mark.timeout(5)  # to compute 9**9**9**9 would take for ever
def test_results_that_are_too_large_are_refused_before_they_are_computed(expression: str) -> None:
    with pytest.raises(ToolError, match="too large"):
        calculate(expression)


@pytest.mark.parametrize("expression", ["-" * 900 + "1", "1" + "+1" * 490, "(" * 190 + "1" + ")" * 190 + "+1" * 100])
def test_deep_nesting_is_refused(expression: str) -> None:
    with pytest.raises(ToolError, match=r"too deeply nested|no arithmetic expression"):
        calculate(expression)


def test_long_expressions_are_refused() -> None:
    with pytest.raises(ToolError, match="1001 characters; 1000 at most"):
        calculate("1" * 1001)


numbers = st.integers(-99, 99).map(str)
expressions = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "/"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        inner.map(lambda expression: f"(-{expression})"),
        inner.map(lambda expression: f"abs({expression})"),
    ),
    max_leaves=12,
)


@given(expressions)
def test_results_agree_with_exact_arithmetic(expression: str) -> None:
    exact = re.sub(r"\d+", r"Fraction(\g<0>)", expression)
    try:
        expected: Fraction = eval(exact)
    except ZeroDivisionError:
        with pytest.raises(ToolError, match="Division by zero"):
            calculate(expression)
        return
    result = calculate(expression)
    if expected.denominator == 1:
        assert result == str(expected)
    else:
        assert math.isclose(float(Fraction(result)), expected, rel_tol=1e-13, abs_tol=1e-300)


@given(st.text(alphabet="0123456789.+-*/%() ,e_sqrtlogfactorialcombpowrund", max_size=200))
def test_any_text_gives_a_result_or_a_tool_error(expression: str) -> None:
    with contextlib.suppress(ToolError):
        assert calculate(expression)


@given(
    st.lists(
        st.sampled_from(["9", "**", "9", "*", "(", ")", "-", "factorial(", "round(9,", "1e300", "<<"]), max_size=40
    )
)
def test_results_of_nested_powers_have_a_bounded_length(parts: list[str]) -> None:
    with contextlib.suppress(ToolError):
        assert len(calculate("".join(parts))) < 2_000
