"""The decorator ``@tool``, which makes a tool of a typed function."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import CodeType
from typing import Any, Generic, ParamSpec, TypeVar, get_args, overload

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json, to_json

from agentkit.config.durations import MAX_DURATION_S, parse_duration
from agentkit.errors import NotDone, ResultUnreadable, ToolArgumentsInvalid, ToolError, ToolInvalid, ToolUnavailable
from agentkit.interfaces import Done, ProbeOutcome, ToolContext, ToolOutput, ToolValue, Unknown
from agentkit.specs import Approval, Effect, ToolSpec
from agentkit.tools.connection_errors import is_connection_error
from agentkit.tools.function_threads import FUNCTION_THREADS
from agentkit.tools.returned_files import split_files, stored_file
from agentkit.tools.tool_signature import inner_function, read_signature
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean, validation_issues

__all__ = ["TOOL_NAME_PATTERN", "FunctionTool", "check_tool_name", "tool"]

ProbeFunction = Callable[..., ProbeOutcome | Awaitable[ProbeOutcome]]
"""Called with the idempotency key and the arguments of a call; and with ``context`` if it has such a parameter."""

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

TOOL_NAME_PATTERN = r"[A-Za-z][A-Za-z0-9_.-]{0,63}"
"""What all model providers accept as a tool's name."""


class FunctionTool(Generic[P, R]):
    """A function that a model can call. Code can still call it as a function.

    A plain ``def``, also one that wraps an ``async def``, runs in a thread, so that it doesn't block its process. A
    thread can't be stopped: after a call is cancelled or times out, its function runs to its end, unless it is in a
    tool host: that is ended.
    """

    def __init__(self, function: Callable[P, R], spec: Mapping[str, Any], probe: ProbeFunction | None = None) -> None:
        self._function = function
        self._probe = probe
        self._signature = read_signature(function)
        name = str(spec.get("name") or _function_name(function))
        description = self._signature.description or name.replace("_", " ").capitalize() + "."
        self._spec = ToolSpec.model_validate(
            {
                **spec,
                "name": name,
                "description": description,
                "parameters": self._signature.schema,
                "has_probe": probe is not None,
            }
        )
        updated = functools.WRAPPER_UPDATES if inspect.isfunction(function) else ()  # not an object's own attributes
        functools.update_wrapper(self, function, updated=updated)

    def __repr__(self) -> str:
        return f"<tool {self._spec.name} of {self.origin}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function directly."""
        return self._function(*args, **kwargs)

    @property
    def spec(self) -> ToolSpec:
        """The name, description, schema and effect."""
        return self._spec

    @property
    def origin(self) -> str:
        """File and line of the function."""
        code: CodeType = inner_function(self._function).__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        """Check the arguments, call the function, and return its result as plain JSON, and its files.

        Raises:
            ToolArgumentsInvalid: raised before the function is called.
            ToolUnavailable: the function raised it, or an error of a connection: see ``is_connection_error``.
            NotDone: the function raised it.
            ResultUnreadable: what it returned is no JSON.
            ToolError: the function raised any other error.
        """
        values = self.validated(arguments)
        values |= dict.fromkeys(self._signature.contexts, context)
        try:
            cancelled = context.signals.cancelled if self._signature.contexts else None
            result = await self._run(self._function, values, cancelled)
        except ToolError:
            raise
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            raise ToolError(
                self._failure(error)
            ) from error  # the function cancelled a task of its own; the call wasn't cancelled
        except (Exception, SystemExit) as error:  # users write tools, and no error of theirs may end the worker
            if is_connection_error(error):
                raise ToolUnavailable(self._failure(error)) from error
            logger.exception("Tool call failed")
            raise ToolError(self._failure(error)) from error
        value, files = split_files(result)
        if not files:
            return self._to_json(value)
        return ToolOutput(value=self._to_json(value), files=tuple(map(stored_file, files)))

    async def probe(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ProbeOutcome:
        """Call the probe function, and return its outcome.

        Raises:
            ToolUnavailable: the probe raised it, or an error of a connection.
            ToolError: the tool has no probe, or the probe raised any other error or returned something else.
        """
        if self._probe is None:
            raise ToolError(f"{self._spec.name} has no probe.")
        key, wants_context = context.idempotency_key, "context" in inspect.signature(self._probe).parameters
        values: dict[str, Any] = {"context": context} if wants_context else {}
        try:
            outcome = await self._run(functools.partial(self._probe, key, dict(arguments)), values)
        except NotDone as error:
            return error
        except ToolError:
            raise
        except (Exception, SystemExit) as error:  # as in call
            kind = ToolUnavailable if is_connection_error(error) else ToolError
            raise kind(f"The probe of {self._failure(error)}") from error
        if isinstance(outcome, Done):
            return Done(self._to_json(outcome.result))
        if isinstance(outcome, NotDone | Unknown):
            return outcome
        raise ToolError(
            f"The probe of {self._spec.name} returned {type(outcome).__name__}, not Done, NotDone or Unknown."
        )

    async def _run(
        self, function: Callable[..., object], values: dict[str, Any], cancelled: threading.Event | None = None
    ) -> object:
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004  the method is needed
            result = function(**values)
        else:
            result = await FUNCTION_THREADS.run(self._spec.name, _in_thread(function, values), cancelled)
        # A plain decorator around an async function returns a coroutine.
        return await result if inspect.isawaitable(result) else result

    def validated(self, arguments: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Return the arguments as the function takes them, with defaults.

        Raises:
            ToolArgumentsInvalid: they don't fit the schema.
        """
        try:
            return self._signature.check(arguments)
        except ValidationError as error:
            issues = validation_issues(error, arguments)
        except ValueError as error:  # text with lone surrogates
            issues = [ValidationIssue((), str(error))]
        names = list(self._signature.fields.values())
        lines = "\n".join(f"- {issue.key}: {_explain(issue, names)}" for issue in issues)
        raise ToolArgumentsInvalid(
            f"The arguments of {self._spec.name} are wrong, so nothing was done. Correct them and call again:\n{lines}"
        )

    def _failure(self, error: BaseException) -> str:
        return f"{self._spec.name} failed: {type(error).__name__}: {error}"

    def _to_json(self, result: object) -> JsonValue:
        try:
            value: JsonValue = from_json(to_json(result, inf_nan_mode="strings"))
        except ValueError as error:
            raise ResultUnreadable(
                f"{self._spec.name} did its work, but what it returned can't be shown: {error}. "
                "Don't call it again for that. Its author should return text, numbers, lists, dicts or dataclasses."
            ) from error
        return value


def _in_thread(function: Callable[..., object], values: dict[str, Any]) -> Callable[[], object]:
    def call() -> object:
        try:
            return function(**values)
        except (StopIteration, KeyboardInterrupt) as error:  # a future can't hold these: the call would never end
            raise RuntimeError(type(error).__name__) from error

    return call


def _function_name(function: Callable[..., object]) -> str:
    """Return the function's name; empty for an object that has none."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", ""))


def _explain(issue: ValidationIssue, names: list[str]) -> str:
    if issue.error_type != "extra_forbidden" or len(issue.path) != 1:
        return issue.message
    return f"unknown.{did_you_mean(issue.key, names)} Arguments: {', '.join(names) or 'none'}"


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    effect: Effect = "irreversible",
    timeout: float | str = 60.0,
    approval: Approval | None = None,
    fast: bool = False,
    task_queue: str | None = None,
    secrets: Sequence[str] = (),
    probe: ProbeFunction | None = None,
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    effect: Effect = "irreversible",
    timeout: float | str = 60.0,
    approval: Approval | None = None,
    fast: bool = False,
    task_queue: str | None = None,
    secrets: Sequence[str] = (),
    probe: ProbeFunction | None = None,
) -> FunctionTool[P, R] | Callable[[Callable[P, R]], FunctionTool[P, R]]:
    """Make a tool of a typed function: ``@tool``, or ``@tool(effect="pure", timeout="10s")``.

    The docstring describes the tool and its parameters to the model (Google, Sphinx or NumPy style).
    A parameter annotated ``ToolContext`` is filled in and not shown to the model.

    Args:
        function: The function, with type annotations.
        name: The tool's name; by default the function's.
        effect: ``pure``, ``idempotent`` or ``irreversible``. The default is the strictest: calls are never repeated.
        timeout: Of one attempt: seconds, or text such as ``"10s"``.
        approval: Whether a person must approve each call; by effect where None.
        fast: The tool is pure and takes milliseconds, so it may run as a local activity.
        task_queue: The queue that its worker polls; by default the task's own.
        secrets: Names of secrets in the settings; ``ToolContext.secret`` returns their values.
        probe: Of an irreversible tool: a function, plain or async, that finds out whether a call that was cut off took
            effect. It gets the call's idempotency key and arguments, the ``ToolContext`` too if it has a
            parameter ``context``, and returns ``Done(result)``, ``NotDone()`` or
            ``Unknown()``.

    Raises:
        ToolInvalid: an option or the signature is wrong; the message names the function and the correction.
    """

    def make_tool(function: Callable[P, R]) -> FunctionTool[P, R]:
        label = getattr(inner_function(function), "__qualname__", repr(function))
        check_tool_name(str(name or _function_name(function)), f"Tool function {label}")
        _check_choice(label, "effect", effect, get_args(Effect))
        _check_choice(label, "approval", approval, (None, *get_args(Approval)))
        if fast and effect != "pure":
            raise ToolInvalid(
                f'Tool function {label}: fast=True is for pure tools only. Write effect="pure", or drop fast.'
            )
        if isinstance(secrets, str) or not all(isinstance(secret, str) for secret in secrets):
            raise ToolInvalid(
                f'Tool function {label}: secrets is a list of names, such as ["github"], got {secrets!r}.'
            )
        if probe is not None and effect != "irreversible":
            raise ToolInvalid(
                f"Tool function {label}: only an irreversible tool needs a probe: calls of others are repeated."
            )
        options: dict[str, object] = {"effect": effect, "approval": approval, "fast": fast, "task_queue": task_queue}
        options["secrets"] = tuple(secrets) or None
        return FunctionTool(function, {**options, "name": name, "timeout": _seconds(label, timeout)}, probe)

    return make_tool if function is None else make_tool(function)


def check_tool_name(name: str, origin: str) -> None:
    """Check that model providers accept the name.

    Raises:
        ToolInvalid: they don't; the message starts with ``origin``.
    """
    if not re.fullmatch(TOOL_NAME_PATTERN, name):
        raise ToolInvalid(
            f"{origin}: {name!r} can't be a tool's name. "
            "Use a letter, then letters, digits, '_', '-' or '.'; 64 at most: @tool(name=...)."
        )


def _check_choice(label: str, option: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ToolInvalid(f"Tool function {label}: {option} is one of {allowed}, got {value!r}.")


def _seconds(label: str, timeout: float | str) -> float:
    try:
        seconds = parse_duration(timeout)
    except ValueError as error:
        raise ToolInvalid(f"Tool function {label}: timeout: {error}.") from error
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= MAX_DURATION_S:
        raise ToolInvalid(
            f"Tool function {label}: timeout: expected seconds above 0, ten years at most, or text such as '10s', "
            f"got {timeout!r}."
        )
    return float(seconds)
