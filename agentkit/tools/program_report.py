"""The result of a program as the model reads it."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.interfaces import CutOffBy, FileSnapshot, SandboxLimits, SandboxOutput, SandboxResult

__all__ = ["cut_off_report", "program_report"]

_MAX_NAMED = 30
_SIGNALS = {
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    24: "SIGXCPU",
    25: "SIGXFSZ",
}


def program_report(
    result: SandboxResult,
    before: FileSnapshot,
    after: FileSnapshot,
    not_kept: Sequence[str] = (),
    also_changed: Sequence[str] = (),
) -> str:
    """Return a program's exit code, output and changes to files; ``also_changed`` are those that another call changed
    at the same time.
    """
    lines = [_first_line(result), *_output(result), *_changes(before, after)]
    if also_changed:
        lines.append(f"changed by another call at the same time, this call's version is kept: {_named(also_changed)}")
    if not_kept:
        lines.append(f"not kept after this call: {_named(not_kept)}")
    return "\n".join(lines)


def cut_off_report(result: SandboxResult, limits: SandboxLimits) -> str:
    """Return why a program was ended at a limit, what it wrote until then, and what to do."""
    reasons: dict[CutOffBy | None, str] = {
        "time": f"after {limits.wall_s:g} s, the most that it may take. Do less in one call",
        "memory": f"because it used more than {_size(limits.memory_bytes)} of memory. Work on parts of the data",
        "disk": (
            f"because its files, temporary ones included, were more than {_size(limits.disk_bytes)} or {limits.files:,}"
            " files, or in too deep directories. Write less"
        ),
        "output": f"because it printed more than {_size(limits.output_bytes)}. Print less, or write to a file",
        "processes": f"because it started more than {limits.processes} processes and threads. Start fewer",
    }
    first = f"The program was ended {reasons[result.cut_off_by]}. Files are as they were before it."
    return "\n".join([first, *_output(result)])


def _first_line(result: SandboxResult) -> str:
    code = result.exit_code
    signal = f", ended by {_SIGNALS.get(code - 128, f'signal {code - 128}')}" if code > 128 else ""
    return f"[exit code {code}{signal}, {result.duration_s:.2f} s, sandbox: {result.tier}]"


def _output(result: SandboxResult) -> list[str]:
    shown = [(name, output) for name, output in (("stdout", result.stdout), ("stderr", result.stderr)) if output.head]
    if not shown:
        return ["(no output)"]
    return [line for name, output in shown for line in (f"{name}:", _text(output))]


def _text(output: SandboxOutput) -> str:
    if not output.bytes_left_out:
        return output.head.removesuffix("\n")
    note = (
        f"\n[... {output.bytes_left_out:,} of {output.bytes_written:,} bytes left out here. Print less, or write to a "
        "file and read parts of it ...]\n"
    )
    return output.head + note + output.tail.removesuffix("\n")


def _changes(before: FileSnapshot, after: FileSnapshot) -> list[str]:
    old, new = ({file.path: file for file in snapshot.files} for snapshot in (before, after))
    written = [f"{path} ({file.size:,} bytes)" for path, file in new.items() if old.get(path) != file]
    deleted = sorted(old.keys() - new.keys())
    lines = [f"files written: {_named(written)}"] if written else []
    return [*lines, f"files deleted: {_named(deleted)}"] if deleted else lines


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def _size(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
