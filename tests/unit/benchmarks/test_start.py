from __future__ import annotations

from benchmarks.start import BARE, StartCost, markdown


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    bare = [StartCost(1.0, 0.5), StartCost(2.0, 1.0), StartCost(4.0, 2.0)]
    slower = [StartCost(2.0, 1.0), StartCost(4.0, 3.0), StartCost(8.0, 4.0)]
    lines = markdown({BARE: bare, "worker": slower}).splitlines()
    assert lines[2:] == [f"| {BARE} | 1.00 | 1.00 | 2.00 | 1.00 |", "| worker | 3.00 | 2.00 | 4.00 | 2.00 |"]
