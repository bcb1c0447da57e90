"""A bank whose only account book is the file transfers.jsonl, and the tools that use it."""

import asyncio
import json
from pathlib import Path

from agentkit.tools import Done, NotDone, ToolContext, tool

TRANSFERS = Path(__file__).parent.parent / "transfers.jsonl"


def booked_transfers() -> list[dict[str, object]]:
    """Return the transfers that the bank has booked, oldest first."""
    return [json.loads(line) for line in TRANSFERS.read_text().splitlines()] if TRANSFERS.exists() else []


def receipt(transfer: dict[str, object]) -> str:
    """Return what the bank writes to its customer about a transfer."""
    return f"Transferred {transfer['euros']} EUR to {transfer['to']}."


def find_transfer(key: str, arguments: dict[str, object]) -> Done | NotDone:
    """Return whether the bank has booked the transfer with this idempotency key."""
    for transfer in booked_transfers():
        if transfer["key"] == key:
            return Done(receipt(transfer))
    return NotDone("The bank has no such transfer.")


@tool(effect="irreversible", timeout="2m", probe=find_transfer)
async def transfer_money(to: str, euros: int, context: ToolContext, seconds: int = 0) -> str:
    """Transfer money to an account.

    Args:
        to: The receiver's account.
        euros: The sum.
        seconds: How long the bank's receipt takes, which leaves time to kill the worker.
    """
    transfer = {"key": context.idempotency_key, "to": to, "euros": euros}
    with TRANSFERS.open("a") as book:
        book.write(json.dumps(transfer) + "\n")
    await asyncio.sleep(seconds)  # the money has moved, and the receipt is on its way
    return receipt(transfer)


@tool(effect="pure")
def list_transfers() -> list[str]:
    """List the transfers that the bank has booked, oldest first."""
    return [receipt(transfer) for transfer in booked_transfers()]
