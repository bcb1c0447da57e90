"""What people read before a command's output: the demo model, tasks without a worker, misspelt variables."""

from __future__ import annotations

from pathlib import Path

from activities.settings import unknown_variables
from activities.shell_commands import opspawn_command, shell_path, with_local_commands
from agentkit.client import Stalled, SystemInfo
from agentkit.config.local_models import LOCAL_MODELS, local_install_command, local_model_path
from agentkit.errors import ConfigurationInvalid
from cli.views.console import err, write_message

__all__ = ["demo_notice", "dev_command", "stalled_notice", "worker_notice", "write_variable_warnings"]


def demo_notice(restart: str) -> str:
    """Return what the demo model is, what it can do, and the two commands that bring a real one.

    ``restart`` is the command that starts ``opspawn dev`` again.
    """
    return "\n".join(
        [
            "No key is set, so this is the demo model: no language model, but real tools and tasks.",
            "It does what each line of the input says, and repeats any other text:",
            '  call calculator {"expression": "6*7"}',
            "  say Hello",
            "For a real model, stop `opspawn dev`, and start it again with a key of OpenAI "
            "(or ANTHROPIC_API_KEY, GOOGLE_API_KEY, OPENROUTER_API_KEY):",
            "  export OPENAI_API_KEY=...",
            f"  {restart}",
            f"Or with a small one on this machine, without a key{_local_installation()}:",
            "  export AGENTKIT_LLM_PROVIDER=local",
        ]
    )


def dev_command(system: SystemInfo | None) -> str:
    """Return the command that starts ``opspawn dev`` for the app of a running API, else for this directory's."""
    app_dir = "." if system is None or system.app_dir is None else shell_path(Path(system.app_dir))
    return opspawn_command("dev", *([] if app_dir == "." else ["--app-dir", app_dir]))


def worker_notice(system: SystemInfo | None) -> str:
    """Return why a task waits that no worker takes, and the command that starts one."""
    if system is None:
        return f"No worker polls the task's queue, so it waits. Start one: `{opspawn_command('worker')}`"
    return (
        f"No worker polls task queue {system.task_queue!r}, so the task waits. "
        f"Start one: `{with_local_commands(system.worker_command)}`"
    )


def stalled_notice(stalled: Stalled) -> str:
    """Return why a task can't go on though workers may run."""
    if stalled.kind == "version":
        return f"The task can't go on. {with_local_commands(stalled.message)}"
    since = "" if stalled.since is None else f" since {stalled.since:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"The task can't go on{since}: its workflow code fails. {stalled.message}\n"
        "Nothing is lost: it goes on by itself as soon as workers of a release run that doesn't fail."
    )


def _local_installation() -> str:
    """Return how to install the local model; empty when it is installed."""
    try:
        local_model_path(next(iter(LOCAL_MODELS)))
    except ConfigurationInvalid:
        return f", after `{local_install_command()}`"
    return ""


def write_variable_warnings() -> None:
    """Write a line for each environment variable that has a setting's prefix but names no setting."""
    for message in unknown_variables():
        write_message(err, message, style="yellow")
