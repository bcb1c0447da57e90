from __future__ import annotations

import keyword
import sys
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from agentkit.errors import ToolInvalid
from agentkit.tools.tool_signature import read_signature


class Address(BaseModel):
    street: str
    title: str = ""


def google(city: str, days: int = 3) -> str:
    """Forecast the weather.

    Looks a few days ahead.

    Args:
        city: Where,
            with the country.
        days (int): How far.

    Returns:
        One line a day.

    Raises:
        OSError: not part of the description.
    """
    return city * days


def sphinx(city: str, days: int = 3) -> str:
    """Forecast the weather.

    Looks a few days ahead.

    :param city: Where,
        with the country.
    :param days: How far.
    :returns: One line a day.
    """
    return city * days


def numpy(city: str, days: int = 3) -> str:
    """Forecast the weather.

    Looks a few days ahead.

    Parameters
    ----------
    city : str
        Where,
        with the country.
    days : int
        How far.

    Returns
    -------
    str
        One line a day.
    """
    return city * days


@pytest.mark.parametrize("function", [google, sphinx, numpy], ids=["google", "sphinx", "numpy"])
def test_parameters_are_described_in_any_usual_style(function: Callable[..., object]) -> None:
    signature = read_signature(function)
    assert signature.description == "Forecast the weather.\n\nLooks a few days ahead.\n\nReturns: One line a day."
    assert signature.schema["properties"] == {
        "city": {"type": "string", "description": "Where,\nwith the country."},
        "days": {"type": "integer", "description": "How far.", "default": 3},
    }


def numpy_together(a: int, b: int, c: int = 0) -> int:
    """Add.

    Parameters
    ----------
    a, b : int
        What is added.
    c : int, optional
        What is added, too.
    """
    return a + b + c


def google_together(a: int, b: int, c: int = 0) -> int:
    """Add.

    Args:
        a, b (int): What is added.
        c: What is added, too.
    """
    return a + b + c


def sphinx_apart(a: int, b: int, c: int = 0) -> int:
    """Add.

    :param int a: What is added.
    :param b: What is added.
    :type b: int
    :param c: What is added, too.
    """
    return a + b + c


@pytest.mark.parametrize("function", [numpy_together, google_together, sphinx_apart])
def test_parameters_that_share_a_description_all_have_it(function: Callable[..., object]) -> None:
    assert read_signature(function).schema["properties"] == {
        "a": {"type": "integer", "description": "What is added."},
        "b": {"type": "integer", "description": "What is added."},
        "c": {"type": "integer", "description": "What is added, too.", "default": 0},
    }


def rich(
    kind: Literal["a", "b"],
    when: date,
    to: Address,
    schema: list[str] | None = None,
    json: Annotated[int, Field(ge=1, description="Mine.")] = 1,
    _hidden: bool = False,
) -> None:
    """Do.

    Args:
        json: Not this.
    """


def test_the_schema_follows_from_the_types() -> None:
    assert read_signature(rich).schema == {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "when", "to"],
        "properties": {
            "kind": {"type": "string", "enum": ["a", "b"]},
            "when": {"type": "string", "format": "date"},
            "to": {"$ref": "#/$defs/Address"},
            "schema": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
            "json": {"type": "integer", "minimum": 1, "description": "Mine.", "default": 1},
            "_hidden": {"type": "boolean", "default": False},
        },
        "$defs": {
            "Address": {
                "type": "object",
                "required": ["street"],
                "properties": {"street": {"type": "string"}, "title": {"type": "string", "default": ""}},
            }
        },
    }


def test_arguments_get_their_types_and_defaults() -> None:
    checked = read_signature(rich).check({"kind": "a", "when": "2026-11-21", "to": {"street": "x"}})
    assert checked == {
        "kind": "a",
        "when": date(2026, 11, 21),
        "to": Address(street="x"),
        "schema": None,
        "json": 1,
        "_hidden": False,
    }


def test_constraints_are_checked() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        read_signature(rich).check({"kind": "a", "when": "2026-11-21", "to": {"street": "x"}, "json": 0})


def default_without_json(of: object = sys) -> None:
    """Do."""


def test_a_default_without_json_form_is_left_out_of_the_schema() -> None:
    signature = read_signature(default_without_json)
    assert signature.schema["properties"] == {"of": {}}
    assert signature.check({}) == {"of": sys}


def starred(*names: str) -> None: ...
def double_starred(**names: str) -> None: ...
def positional(name: str, /) -> None: ...
def untyped(name) -> None: ...  # type: ignore[no-untyped-def]
def field_default(name: int = Field(1)) -> None: ...
def no_schema(good: int, name: Callable[[], int]) -> None: ...
def unreadable(name: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  the undefined name is tested


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(starred, r"starred: parameter '\*names': .* Name each parameter", id="args"),
        pytest.param(double_starred, r"double_starred: parameter '\*\*names': .* Name each parameter", id="kwargs"),
        pytest.param(positional, r"positional: parameter 'name': .* Remove the /", id="positional"),
        pytest.param(untyped, r"untyped: parameter 'name' has no type\. Write name: str", id="untyped"),
        pytest.param(field_default, r"field_default: parameter 'name' .* Annotated\[int, Field", id="field"),
        pytest.param(
            no_schema, r"no_schema: the type of parameter 'name' has no JSON Schema\. Use str", id="no schema"
        ),
        pytest.param(
            unreadable, r"unreadable: an annotation can't be read .*Nowhere.* Import its types", id="unreadable"
        ),
    ],
)
def test_a_signature_without_a_schema_is_refused_with_a_correction(
    function: Callable[..., object], message: str
) -> None:
    with pytest.raises(ToolInvalid, match=message):
        read_signature(function)


names = st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
kinds: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(),
    "str": st.text(),
    "bool": st.booleans(),
    "list[int]": st.lists(st.integers()),
}


@given(st.data())
def test_any_parameter_names_and_types_give_a_schema_and_accept_matching_arguments(data: st.DataObject) -> None:
    parameters = data.draw(st.dictionaries(names, st.sampled_from(sorted(kinds)), max_size=5))
    arguments = {name: data.draw(kinds[kind]) for name, kind in parameters.items()}
    scope: dict[str, Callable[..., object]] = {}
    exec(f"def made({', '.join(f'{name}: {kind}' for name, kind in parameters.items())}): ...", scope)
    signature = read_signature(scope["made"])
    assert signature.check(arguments) == arguments
    assert signature.schema.get("required", []) == list(parameters)
    assert isinstance(signature.schema["properties"], dict)
    assert list(signature.schema["properties"]) == list(parameters)
