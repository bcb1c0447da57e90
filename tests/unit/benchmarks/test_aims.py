from __future__ import annotations

import importlib.util

import pytest

from benchmarks.aims import AIMS, PROGRAMS, Aim, Program, markdown
from benchmarks.readme_figures import README, read_part

LOW = Aim("memory, MiB", "waiting", "| worker |", "measured", 1024)
HIGH = Aim("steps/s", "steps", "| Opspawn |", "x bare", 1.6, at_least=True)
OUTPUTS = {"waiting": "| | measured |\n| worker | 1,024 |\n", "steps": "| | x bare |\n| Opspawn | 1.45 |\n"}


def test_each_aim_is_met_or_missed_by_the_figure_that_its_program_printed() -> None:
    assert markdown(OUTPUTS, [LOW, HIGH]).splitlines()[2:] == [
        "| memory, MiB | <= 1,024 | 1,024 | met |",
        "| steps/s | >= 1.6 | 1.45 | **missed** |",
    ]


def test_an_aim_that_a_quick_run_does_not_measure_is_neither() -> None:
    assert markdown({}, [LOW]).splitlines()[2:] == ["| memory, MiB | <= 1,024 |  | not measured |"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_program_exists_and_has_its_part_of_the_readme(program: Program) -> None:
    assert importlib.util.find_spec(f"benchmarks.{program.name}")
    assert read_part(README, program.name)


def test_the_readme_has_a_figure_of_each_aim_in_the_part_of_its_program() -> None:
    table = markdown({program.name: read_part(README, program.name) for program in PROGRAMS})
    assert "not measured" not in table
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [aim.text for aim in AIMS]
    assert table.strip() in read_part(README, "aims")
