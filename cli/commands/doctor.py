"""``opspawn doctor``: check the installation, and name what is missing and its remedy."""

from __future__ import annotations

import asyncio

import typer
from rich.text import Text

from activities.settings import Settings
from cli.doctor_checks import Finding, run_checks
from cli.views.console import out, printable

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "missing": ("✗", "red")}


def doctor() -> None:
    """Check the installation, and name what is missing and its remedy."""
    findings = asyncio.run(run_checks(Settings.load()))
    for finding in findings:
        _print(finding)
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.status]
    out.print(
        Text.assemble((f"{mark} ", style), (f"{finding.subject}: ", "bold"), printable(finding.detail)), soft_wrap=True
    )
    if finding.remedy:
        out.print(Text(f"    → {printable(finding.remedy)}", style=style), soft_wrap=True)
