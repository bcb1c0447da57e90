"""``python -m api``."""

from __future__ import annotations

from activities.temporal.process_exit import exit_process
from api.server import main

if __name__ == "__main__":
    exit_process(main())
