"""``opspawn doctor``: check what is missing, and say what mends it."""

from __future__ import annotations

import asyncio

import typer
from rich.text import Text

from activities.settings import Settings
from cli.doctor_checks import Finding, check_all
from cli.views.console import out, printable

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "missing": ("✗", "red")}


def doctor() -> None:
    """Check what is missing, and say what mends it."""
    findings = asyncio.run(check_all(Settings.load()))
    for finding in findings:
        _print(finding)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.state]
    out.print(
        Text.assemble((f"{mark} ", style), (f"{finding.subject}: ", "bold"), printable(finding.what)), soft_wrap=True
    )
    if finding.mend:
        out.print(Text(f"    → {printable(finding.mend)}", style=style), soft_wrap=True)
