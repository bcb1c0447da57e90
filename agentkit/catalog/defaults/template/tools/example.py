"""Your own tools: typed functions. An agent may use those that its file names under ``tools``."""

from __future__ import annotations

from pathlib import Path

from agentkit.tools import ToolContext, tool


@tool(effect="pure", fast=True)
def word_count(text: str) -> int:
    """Count the words of a text.

    Args:
        text: The text to count.
    """
    return len(text.split())


@tool(effect="irreversible", timeout="10s")
def append_note(note: str, context: ToolContext) -> str:
    """Add a line to the file notes.txt.

    Args:
        note: One line.
    """
    # `context` is not part of the tool's schema. An irreversible tool is attempted once, and never repeated silently.
    # Where repeating is harmless, use effect="idempotent", and pass context.idempotency_key on.
    with Path("notes.txt").open("a", encoding="utf-8") as file:
        file.write(f"{note}  ({context.task_id})\n")
    return "Noted."
