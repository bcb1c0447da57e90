"""Evaluate arithmetic expressions without ``eval``, in bounded time and memory.

Integers, and what divisions of integers give, are exact. Numbers with a decimal point, and results of functions such as
``log``, are floats.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from agentkit.errors import ToolError
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["calculate"]

Number = int | Fraction | float

_MAX_CHARS = 1_000
_MAX_DEPTH = 60
_MAX_BITS = 4_096
"""The most bits of an integer, intermediate results included: about 1,200 digits."""
_MAX_EXACT_FLOAT = 2**53
"""Greater floats stand for several integers each."""
_MAX_COUNT = 500
"""Largest argument of ``factorial``, ``comb`` and ``perm``."""

_KEYWORD_AFTER_NUMBER = re.compile(r"[0-9a-fA-F.](?:and|or|if|in|is|else|not)")
"""Python's parser emits a warning for these before it refuses them."""

_UNICODE_OPERATORS = str.maketrans({"×": "*", "÷": "/", "−": "-", "·": "*", "\N{NO-BREAK SPACE}": " "})  # noqa: RUF001  pasted text has them


def calculate(expression: str) -> str:
    """Return the value of ``expression`` as text: all digits of an integer, and 15 digits of any other number.

    Raises:
        ToolError: the expression isn't arithmetic, has no real value, or is too large.
    """
    if len(expression) > _MAX_CHARS:
        raise ToolError(f"The expression has {len(expression)} characters; {_MAX_CHARS} at most. Work it out in parts.")
    try:
        return _format(_evaluate(_parse(expression), _MAX_DEPTH))
    except ZeroDivisionError as error:
        raise ToolError("Division by zero has no value.") from error
    except OverflowError as error:
        raise ToolError("The result is too large.") from error
    except ValueError as error:  # such as sqrt(-1)
        raise ToolError(f"This has no real value: {error}.") from error
    except TypeError as error:  # such as gcd of a fraction
        raise ToolError(f"A function takes other arguments: {error}.") from error


def _parse(expression: str) -> ast.expr:
    try:
        if _KEYWORD_AFTER_NUMBER.search(expression):
            raise ValueError
        return ast.parse(expression.translate(_UNICODE_OPERATORS).strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ToolError(f"{expression!r} is no arithmetic expression. Write one such as (3 + 4) * sqrt(2).") from error


def _format(value: Number) -> str:
    if isinstance(value, int):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        raise OverflowError
    if number.is_integer() and abs(number) <= _MAX_EXACT_FLOAT:
        return str(int(number))
    return format(number, ".15g")


def _evaluate(node: ast.expr, depth: int) -> Number:
    if depth == 0:
        raise ToolError("The expression is too deeply nested. Work it out in parts.")
    match node:
        case ast.Constant(value=bool() | complex()):
            pass
        case ast.Constant(value=int() | float() as number):
            return _checked(number)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, depth - 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _evaluate(operand, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _checked(_OPERATORS[type(op)](_evaluate(left, depth - 1), _evaluate(right, depth - 1)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _checked(_FUNCTIONS[name](*(_evaluate(arg, depth - 1) for arg in args)))
    raise ToolError(_refusal_message(node))


def _refusal_message(node: ast.expr) -> str:
    match node:
        case ast.BinOp(op=ast.BitXor()):
            return "'^' isn't an operator here. Write powers with **."
        case ast.Tuple():
            return "A comma outside a function call. Write 1000, not 1,000."
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            known = [*_FUNCTIONS, *_CONSTANTS]
            return f"There is no {name!r} here.{did_you_mean(name, known)} There are: {', '.join(known)}."
    return f"{ast.unparse(node)!r} isn't arithmetic. Use numbers, + - * / // % **, and functions such as sqrt(2)."


def _checked(value: object) -> Number:
    """Return a number or result; a whole fraction as an integer, and a fraction that is too long as a float.

    Raises:
        OverflowError: it is an integer of more than ``_MAX_BITS`` bits.
        ValueError: it is not a real number.
    """
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise OverflowError
        return value
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return _checked(value.numerator)
        return value if _bits(value) <= _MAX_BITS else float(value)
    if isinstance(value, float):
        return value
    raise ValueError("it isn't a real number")


def _bits(value: int | Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _divide(dividend: Number, divisor: Number) -> object:
    if isinstance(dividend, float) or isinstance(divisor, float):
        return float(dividend) / float(divisor)
    return Fraction(dividend) / Fraction(divisor)


def _power(base: Number, exponent: Number) -> object:
    if exponent == 0.5:
        return _sqrt(base)
    if isinstance(base, float) or not isinstance(exponent, int):
        return float(base) ** float(exponent)
    if abs(base) in (0, 1) or (_bits(base) - 1) * abs(exponent) <= _MAX_BITS:
        return Fraction(base) ** exponent
    if isinstance(base, int) and exponent > 0:
        raise OverflowError
    return float(base) ** exponent


def _sqrt(value: Number) -> Number:
    root = _exact_root(value, 2) if value >= 0 else None
    return math.sqrt(value) if root is None else root


def _cbrt(value: Number) -> Number:
    root = _exact_root(value if value >= 0 else -value, 3)
    if root is None:
        return math.cbrt(value)
    return root if value >= 0 else -root


def _exact_root(value: Number, degree: int) -> Fraction | None:
    """Return the root of a number that isn't negative; None if the number or its root isn't exact."""
    if isinstance(value, float):
        return None
    root = Fraction(_integer_root(value.numerator, degree), _integer_root(value.denominator, degree))
    return root if root**degree == value else None


def _integer_root(value: int, degree: int) -> int:
    """Return the integer part of the root, by Newton's method."""
    if value == 0:
        return 0
    root = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * root + value // root ** (degree - 1)) // degree
        if better >= root:
            return root
        root = better


def _round(value: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 100:
        raise ValueError("round takes from -100 to 100 digits")
    rounded: Number = round(value, digits) if isinstance(value, float) else round(Fraction(value), digits)
    return int(rounded) if digits <= 0 else rounded


def _with_bounded_arguments(function: Callable[..., int]) -> Callable[..., int]:
    def bounded(*numbers: Number) -> int:
        if not all(-_MAX_COUNT <= number <= _MAX_COUNT for number in numbers):
            raise OverflowError
        return function(*numbers)

    return bounded


_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}

_CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}

_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **{
        name: getattr(math, name)
        for name in (
            *("exp", "log", "log2", "log10", "hypot", "degrees", "radians"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
            *("floor", "ceil", "trunc", "gcd", "lcm", "isqrt"),
        )
    },
    **{name: _with_bounded_arguments(getattr(math, name)) for name in ("factorial", "comb", "perm")},
    "sqrt": _sqrt,
    "cbrt": _cbrt,
    "abs": abs,
    "max": max,
    "min": min,
    "round": _round,
}
