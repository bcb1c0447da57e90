"""``python -m api``."""

from __future__ import annotations

from activities.temporal.process_exit import leave
from api.server import main

if __name__ == "__main__":
    leave(main())
