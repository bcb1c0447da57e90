from __future__ import annotations

import re
from collections.abc import Iterator

from agentkit import errors
from agentkit.errors import ModelUnavailable, OpspawnError


def class_tree(error: type[OpspawnError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, error.__name__
    for subclass in error.__subclasses__():
        if subclass.__module__ == errors.__name__:
            yield from class_tree(subclass, depth + 1)


def documented_tree() -> Iterator[tuple[int, str]]:
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"((?:[│├└] ?[─ ]*)*)([A-Z]\w+)", line):
            yield len(match[1]) // 4, match[2]


def test_the_tree_in_the_documentation_is_the_tree_of_classes() -> None:
    documented = [entry for entry in documented_tree() if entry[1] in errors.__all__]
    assert sorted(documented) == sorted(class_tree(OpspawnError))
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert {name for _, name in documented} == classes


def test_an_unavailable_model_has_the_status_and_the_time_to_wait() -> None:
    error = ModelUnavailable("overloaded", status=429, retry_after=2.5)
    assert (str(error), error.status, error.retry_after) == ("overloaded", 429, 2.5)
