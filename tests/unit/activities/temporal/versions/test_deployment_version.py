"""The worker deployment version of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion

from activities.settings import Settings
from activities.temporal.versions.deployment_version import UNVERSIONED, own_version, task_deployment
from agentkit.errors import ConfigurationInvalid


def load(monkeypatch: pytest.MonkeyPatch, directory: Path, **variables: str) -> Settings:
    """Return the settings of an empty app directory, with these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.load(directory)


def test_without_a_build_id_workers_are_unversioned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch, tmp_path, TEMPORAL_DEPLOYMENT_NAME="shop")
    assert own_version(settings) is None
    assert task_deployment(settings) is UNVERSIONED
    assert UNVERSIONED.use_worker_versioning is False


def test_with_a_build_id_workflows_are_pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = task_deployment(load(monkeypatch, tmp_path, OPSPAWN_BUILD_ID="v1"))
    assert config.version == WorkerDeploymentVersion("opspawn", "v1")
    assert config.use_worker_versioning
    assert config.default_versioning_behavior is VersioningBehavior.PINNED


def test_the_variables_of_temporals_controller_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = {"OPSPAWN_BUILD_ID": "v1", "OPSPAWN_DEPLOYMENT_NAME": "mine"}
    theirs = {"TEMPORAL_WORKER_BUILD_ID": "v2", "TEMPORAL_DEPLOYMENT_NAME": "prod/shop"}
    settings = load(monkeypatch, tmp_path, **own, **theirs)
    assert own_version(settings) == WorkerDeploymentVersion("prod/shop", "v2")


def test_the_deployment_is_named_like_the_task_queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch, tmp_path, OPSPAWN_TASK_QUEUE="__shop.eu:1", OPSPAWN_BUILD_ID="v1")
    assert own_version(settings) == WorkerDeploymentVersion("shop-eu-1", "v1")


@pytest.mark.parametrize("build_id", ["a b", "__unversioned__", "a/b", "a:b", "a'b"])
def test_a_build_id_that_commands_and_queries_could_not_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build_id: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match="BUILD_ID"):
        load(monkeypatch, tmp_path, OPSPAWN_BUILD_ID=build_id)
