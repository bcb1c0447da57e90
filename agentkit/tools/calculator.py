"""Evaluate arithmetic expressions without ``eval``, in bounded time and memory."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping

from agentkit.errors import ToolError
from agentkit.validation_messages import did_you_mean

__all__ = ["calculate"]

Number = int | float

_MAX_CHARS = 1_000
_MAX_DEPTH = 60
_MAX_BITS = 4_096
"""The most bits of an integer, intermediate results included: about 1,200 digits."""
_MAX_COUNT = 500
"""Largest argument of ``factorial``, ``comb`` and ``perm``."""

_KEYWORD_AFTER_NUMBER = re.compile(r"[0-9a-fA-F.](?:and|or|if|in|is|else|not)")
"""Python's parser emits a warning for these before it refuses them."""

_UNICODE_OPERATORS = str.maketrans({"×": "*", "÷": "/", "−": "-", "·": "*", "\N{NO-BREAK SPACE}": " "})  # noqa: RUF001  pasted text has them


def calculate(expression: str) -> str:
    """Return the value of ``expression`` as text; integral values without ``.0``.

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
    if not math.isfinite(value):
        raise OverflowError
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return format(value, ".15g")


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
    """Return a number or result unchanged.

    Raises:
        OverflowError: it is an integer of more than ``_MAX_BITS`` bits.
        ValueError: it is not a real number.
    """
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise OverflowError
        return value
    if isinstance(value, float):
        return value
    raise ValueError("it isn't a real number")


def _power(base: Number, exponent: Number) -> object:
    are_integers = isinstance(base, int) and isinstance(exponent, int)
    if are_integers and abs(base) > 1 and (int(base).bit_length() - 1) * exponent > _MAX_BITS:
        raise OverflowError
    return base**exponent


def _round(value: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 100:
        raise ValueError("round takes from -100 to 100 digits")
    rounded = round(value, digits)
    return int(rounded) if digits <= 0 else rounded


def _with_bounded_arguments(function: Callable[..., int]) -> Callable[..., int]:
    def bounded(*numbers: Number) -> int:
        if any(abs(number) > _MAX_COUNT for number in numbers):
            raise OverflowError
        return function(*numbers)

    return bounded


_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}

_CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}

_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **{
        name: getattr(math, name)
        for name in (
            *("sqrt", "cbrt", "exp", "log", "log2", "log10", "hypot", "degrees", "radians"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
            *("floor", "ceil", "trunc", "gcd", "lcm", "isqrt"),
        )
    },
    **{name: _with_bounded_arguments(getattr(math, name)) for name in ("factorial", "comb", "perm")},
    "abs": abs,
    "max": max,
    "min": min,
    "round": _round,
}
