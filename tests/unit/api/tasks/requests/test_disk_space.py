from __future__ import annotations

from pathlib import Path

import pytest

from api.tasks.requests.disk_space import disk_problem


def test_a_disk_with_space_is_no_problem(tmp_path: Path) -> None:
    assert disk_problem(tmp_path, name="data", min_free_bytes=1) is None


@pytest.mark.parametrize("path", ["", "not/created/yet"])
def test_a_full_disk_is_named_with_the_cure_before_the_directory_exists_too(tmp_path: Path, path: str) -> None:
    problem = disk_problem(tmp_path / path, name="the data directory", min_free_bytes=2**62)
    assert problem is not None
    assert problem.startswith("The disk of the data directory is full (")
    assert problem.endswith("Free some space there; tasks then go on by themselves.")
