"""Read a function's signature and docstring: the description, schema and validation of a tool's arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from docstring_parser import Docstring, ParseError, parse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import to_json

from agentkit.errors import ToolInvalid
from agentkit.interfaces import ToolContext

__all__ = ["ToolSignature", "inner_function", "read_signature"]


class _Schema(GenerateJsonSchema):
    """Generates JSON Schema without a warning about defaults that JSON can't represent; it leaves these out."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012  declared so by pydantic


@dataclass(frozen=True)
class ToolSignature:
    """The parameters of a tool's function."""

    description: str
    """The docstring without its sections on parameters and errors; with its section on the return value."""
    schema: dict[str, JsonValue]
    """JSON Schema of the arguments; an object."""
    contexts: tuple[str, ...]
    """Names of the parameters of type ``ToolContext``."""
    model: type[BaseModel]
    """Validates arguments. Its fields are numbered, with the parameters' names as aliases, so all names are allowed."""
    fields: Mapping[str, str]
    """Each field's name to its parameter's."""

    def check(self, arguments: Mapping[str, JsonValue]) -> dict[str, object]:
        """Return the values to call the function with.

        Raises:
            pydantic.ValidationError: the arguments don't fit.
        """
        checked = self.model.model_validate_json(to_json(arguments))
        return {name: getattr(checked, field) for field, name in self.fields.items()}


def inner_function(function: Callable[..., object]) -> Callable[..., object]:
    """Return the ``def`` inside decorators, ``functools.partial`` and callable objects."""
    *_, innermost = _layers(function)
    return innermost


def _layers(function: Callable[..., object]) -> Iterator[Callable[..., object]]:
    """Yield the object and what it wraps, down to the function."""
    yield function
    if isinstance(function, functools.partial):
        yield from _layers(function.func)
    elif hasattr(function, "__wrapped__"):
        yield from _layers(function.__wrapped__)
    elif not isinstance(function, type) and inspect.ismethod(call := getattr(function, "__call__", None)):  # noqa: B004  the method is needed
        yield call


def read_signature(function: Callable[..., object]) -> ToolSignature:
    """Return the signature of a function, or of a decorator, ``functools.partial`` or callable object around one.

    What a ``functools.partial`` has filled in is no argument of the tool.

    Raises:
        ToolInvalid: a parameter can't be described to a model; the message has the function, parameter and correction.
    """
    where = f"Tool function {getattr(inner_function(function), '__qualname__', repr(function))}"
    hints = _hints(function, where)
    document = _docstring(function)
    descriptions = dict(_descriptions(document))
    parameters = list(_parameters(function, hints, where))
    arguments = [parameter for parameter in parameters if hints[parameter.name] is not ToolContext]
    fields = {f"argument_{index}": parameter.name for index, parameter in enumerate(arguments)}
    definitions: dict[str, Any] = {
        field: (hints[parameter.name], _field(parameter, hints[parameter.name], descriptions.get(parameter.name)))
        for field, parameter in zip(fields, arguments, strict=True)
    }
    model, schema = _model(definitions, hints, fields, where)
    return ToolSignature(
        description=_description(document),
        schema=schema,
        contexts=tuple(parameter.name for parameter in parameters if hints[parameter.name] is ToolContext),
        model=model,
        fields=fields,
    )


def _hints(function: Callable[..., object], where: str) -> dict[str, Any]:
    inner = inner_function(function)
    if not (inspect.isfunction(inner) or inspect.ismethod(inner)):
        raise ToolInvalid(f"{where}: @tool expects a function (def or async def), got {type(function).__name__}.")
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise ToolInvalid(f"{where} yields. Return one value instead: a list, say.")
    try:
        # A decorator that changes the signature says so by this attribute; its annotations are those of the signature.
        annotated = function if hasattr(function, "__signature__") else inner
        return get_type_hints(annotated, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ToolInvalid(
            f"{where}: an annotation can't be read ({error}). "
            "Import its types at the top of the file, not under TYPE_CHECKING or inside a function."
        ) from error


def _parameters(function: Callable[..., object], hints: Mapping[str, Any], where: str) -> Iterator[inspect.Parameter]:
    corrections = {
        inspect.Parameter.VAR_POSITIONAL: "a model can't know what to send. Name each parameter, or accept one list",
        inspect.Parameter.VAR_KEYWORD: "a model can't know what to send. Name each parameter, or accept one dict",
        inspect.Parameter.POSITIONAL_ONLY: "arguments are passed by name. Remove the / from the signature",
    }
    filled_in = {name for layer in _layers(function) if isinstance(layer, functools.partial) for name in layer.keywords}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in filled_in:
            continue
        if parameter.kind in corrections:
            raise ToolInvalid(
                f"{where}: parameter {str(parameter).partition(':')[0]!r}: {corrections[parameter.kind]}."
            )
        if parameter.name not in hints:
            raise ToolInvalid(f"{where}: parameter {parameter.name!r} has no type. Write {parameter.name}: str, say.")
        if isinstance(parameter.default, FieldInfo):
            raise ToolInvalid(
                f"{where}: parameter {parameter.name!r} has Field(...) as its default. "
                f"Write {parameter.name}: Annotated[int, Field(...)] = 1, say."
            )
        yield parameter


def _field(parameter: inspect.Parameter, hint: object, description: str | None) -> Any:
    metadata = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    has_description = any(isinstance(entry, FieldInfo) and entry.description for entry in metadata)
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    if description is None or has_description:
        return Field(default, alias=parameter.name)
    return Field(default, alias=parameter.name, description=description)


def _model(
    definitions: dict[str, Any], hints: Mapping[str, Any], fields: Mapping[str, str], where: str
) -> tuple[type[BaseModel], dict[str, JsonValue]]:
    try:
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **definitions)
        schema = model.model_json_schema(schema_generator=_Schema)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        parameter = next((name for name in fields.values() if not _has_schema(hints[name])), "?")
        raise ToolInvalid(
            f"{where}: the type of parameter {parameter!r} has no JSON Schema. Use str, int, float, bool, "
            "list, dict, Literal, an enum, a date, a dataclass or a pydantic model."
        ) from error
    for part in (schema, *schema.get("$defs", {}).values()):
        _drop_titles(part)
    return model, schema


def _drop_titles(schema: dict[str, Any]) -> None:
    """Drop the titles that pydantic derives from names: they cost tokens and add nothing."""
    schema.pop("title", None)
    for property_schema in schema.get("properties", {}).values():
        property_schema.pop("title", None)


def _has_schema(hint: Any) -> bool:
    try:
        TypeAdapter(hint).json_schema(schema_generator=_Schema)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return False
    return True


def _docstring(function: Callable[..., object]) -> Docstring:
    text = inspect.getdoc(function if inspect.isfunction(function) else inner_function(function)) or ""
    try:
        return parse(text)
    except ParseError:
        unparsed = Docstring()
        unparsed.short_description = text
        return unparsed


def _descriptions(document: Docstring) -> Iterator[tuple[str, str]]:
    """Yield name and description of each parameter; NumPy's style allows several names for one description."""
    for param in document.params:
        for name in param.arg_name.split(",") if param.description else ():
            yield name.strip(), param.description or ""


def _description(document: Docstring) -> str:
    returns = document.returns.description if document.returns and document.returns.description else None
    parts = (document.short_description, document.long_description, f"Returns: {returns}" if returns else None)
    return "\n\n".join(part.strip() for part in parts if part and part.strip())
