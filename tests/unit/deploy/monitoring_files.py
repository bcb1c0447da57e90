"""The alert rules and the dashboard of deploy/, and the queries in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["dashboard", "expressions", "panel_expressions", "rules", "variables"]

_DEPLOY = Path(__file__).parents[3] / "deploy"


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load((_DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return Grafana's dashboard."""
    loaded = json.loads((_DEPLOY / "grafana" / "opspawn.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def panel_expressions() -> Iterator[str]:
    """Yield the queries of the dashboard's panels, with its variables."""
    yield from (target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", []))


def variables() -> Iterator[str]:
    """Yield the queries of the dashboard's variables."""
    yield from (variable["query"]["query"] for variable in dashboard()["templating"]["list"][1:])


def expressions() -> Iterator[str]:
    """Yield every query."""
    yield from (rule["expr"] for rule in rules())
    yield from panel_expressions()
    yield from variables()
