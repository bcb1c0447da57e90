"""Alert rules and the dashboard use metrics and labels that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.deploy.monitoring_files import dashboard, expressions, rules

ROOT = Path(__file__).parents[3]
METRICS = (ROOT / "docs" / "reference" / "metrics.md").read_text()
CALLS = (ROOT / "docs" / "how-to" / "write-a-tool.md").read_text()  # metrics.md refers to it for calls that hang
NAME = re.compile(r"\b(?:opspawn|gen_ai|temporal)_[a-z0-9_]+\b")
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def documented() -> set[str]:
    names = set(NAME.findall(METRICS)) | {name for name in NAME.findall(CALLS) if name.startswith("opspawn_tool")}
    prefix = "gen_ai_client_inference_usage"
    return names | {prefix + rest for rest in re.findall(r"`\.\.\.(_[a-z_]+_tokens)`", METRICS)}


def test_every_metric_is_documented() -> None:
    used = {SUFFIX.sub("", name) for expression in expressions() for name in NAME.findall(expression)}
    assert len(used) > 20
    assert used - documented() == set()


def test_histograms_are_used_by_their_series_and_other_metrics_are_not() -> None:
    histograms = {*re.findall(r"^\| `(\w+)` \| histogram", METRICS, re.M)}
    for expression in expressions():
        for name in NAME.findall(expression):
            base = SUFFIX.sub("", name)
            if not base.startswith("temporal_"):
                assert (base in histograms) == (base != name), expression


def test_labels_are_those_of_the_metric() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]*\| (?:histogram|counter|gauge) \| ([^|]*)\|", METRICS, re.M)
    labels = {name: {*re.findall(r"`(\w+)`", text), "instance", "job", "le"} for name, text in rows}
    for expression in expressions():
        for name, selector in re.findall(r"(\w+)\{([^}]*)\}", expression):
            if (base := SUFFIX.sub("", name)) in labels:
                assert {*re.findall(r"(\w+)[=!]", selector)} <= labels[base], expression


def test_parentheses_and_quotes_are_balanced() -> None:
    for expression in expressions():
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing), expression
        assert expression.count('"') % 2 == 0


def test_each_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_panels_do_not_overlap() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells, panel["title"]
        covered |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])
