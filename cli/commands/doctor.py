"""``opspawn doctor``: check the installation and what runs, and name what is missing and its remedy."""

from __future__ import annotations

import asyncio

import typer
from rich.text import Text

from activities.settings import Settings
from agentkit.config.providers import is_unconfigured
from cli.command_options import AppDir, Url
from cli.doctor.doctor_checks import Checkup, run_checks
from cli.doctor.finding import Finding, exit_code
from cli.views.console import err, out, printable, write_line, write_message
from cli.views.notices import demo_notice, dev_command

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "missing": ("✗", "red"), "unreachable": ("✗", "red")}
_INDENT = 2


def doctor(app_dir: AppDir = None, url: Url = None) -> None:
    """Check the installation and what runs, and name what is missing and its remedy.

    Exits with 3 if Temporal or the API can't be reached, and with 1 if something else is missing.
    """
    checkup = asyncio.run(run_checks(Settings.load(app_dir, url=url)))
    if _is_unconfigured(checkup):
        write_message(err, demo_notice(dev_command(checkup.api.system)), style="yellow")
    for finding in checkup.findings:
        _print(finding)
    if code := exit_code(checkup.findings):
        raise typer.Exit(code)


def _is_unconfigured(checkup: Checkup) -> bool:
    """Return whether the demo model is used for want of a key: by the API, or without one, by these settings."""
    system = checkup.api.system
    return system.default_model.unconfigured if system is not None else is_unconfigured(checkup.settings)


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.status]
    line = Text.assemble((f"{mark} ", style), (f"{finding.subject}: ", "bold"), printable(finding.detail))
    write_line(out, line, _INDENT)
    for remedy in finding.remedies:
        out.print(Text(f"    → {printable(remedy)}", style=style), soft_wrap=True)
