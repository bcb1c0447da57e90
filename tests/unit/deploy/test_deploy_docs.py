"""What the how-tos on deployment show is what the code and the chart take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.unit.deploy.chart import NEEDED, merged, render
from workflows.search_attributes import search_attribute_types

DOCS = Path(__file__).parents[3] / "docs" / "how-to"


@pytest.mark.parametrize("page", ["deploy.md", "use-temporal-cloud.md"])
def test_the_values_are_those_of_the_chart(page: str) -> None:
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", (DOCS / page).read_text(), re.M | re.S)
    assert blocks
    for block in blocks:
        assert render(merged(yaml.safe_load(block), NEEDED))


def test_every_search_attribute_is_registered_at_temporal_cloud() -> None:
    named = dict(re.findall(r'--sa "(\w+)=(\w+)"', (DOCS / "use-temporal-cloud.md").read_text()))
    assert named == search_attribute_types()
