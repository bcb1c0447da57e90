"""What a model reads of a program that has ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentkit.interfaces import CutOffBy, FileSnapshot, SandboxLimits, SandboxOutput, SandboxResult, TaskFile
from agentkit.tools.program_report import cut_off_report, program_report

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def result(code: int = 0, out: str = "", err: str = "", cut_off_by: CutOffBy | None = None) -> SandboxResult:
    return SandboxResult(
        tier="landlock",
        exit_code=code,
        stdout=SandboxOutput(head=out, bytes_written=len(out)),
        stderr=SandboxOutput(head=err, bytes_written=len(err)),
        cut_off_by=cut_off_by,
        duration_s=0.123,
    )


def snapshot(**files: str) -> FileSnapshot:
    return FileSnapshot(
        files=tuple(
            TaskFile(path=path, sha256=text, size=len(text), modified_at=NOW) for path, text in sorted(files.items())
        )
    )


def test_a_program_without_output_says_so() -> None:
    assert program_report(result(), snapshot(), snapshot()) == ("[exit code 0, 0.12 s, sandbox: landlock]\n(no output)")


def test_signals_have_their_name() -> None:
    assert program_report(result(139), snapshot(), snapshot()).startswith("[exit code 139, ended by SIGSEGV, ")


def test_changes_of_files_are_named_and_bounded() -> None:
    after = snapshot(kept="a", changed="bb", **{f"f{n}": "c" for n in range(50)})
    text = program_report(
        result(), snapshot(kept="a", changed="b", gone="x"), after, ["link (a symbolic link)"], ["f1"]
    )
    assert "files written: changed (2 bytes), f0 (1 bytes)" in text
    assert "and 21 more" in text
    assert "files deleted: gone" in text
    assert "not kept after this call: link (a symbolic link)" in text
    assert "changed by another call at the same time, this call's version is kept: f1" in text


def test_output_that_was_left_out_is_counted() -> None:
    output = SandboxOutput(head="start", tail="end", bytes_written=1_000_008, bytes_left_out=1_000_000)
    text = program_report(result().model_copy(update={"stdout": output}), snapshot(), snapshot())
    assert "start\n[... 1,000,000 of 1,000,008 bytes left out here." in text
    assert text.endswith("...]\nend")


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("time", "after 60 s, the most that it may take"),
        ("memory", "used more than 1,024 MiB of memory"),
        ("disk", "more than 256 MiB or 2,000 files"),
        ("output", "printed more than 16 MiB"),
        ("processes", "started more than 64 processes"),
    ],
)
def test_a_program_that_was_ended_says_at_which_limit(limit: CutOffBy, text: str) -> None:
    report = cut_off_report(result(137, out="so far", cut_off_by=limit), SandboxLimits())
    assert text in report
    assert report.endswith("Files are as they were before it.\nstdout:\nso far")
