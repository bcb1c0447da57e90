"""Requests for tasks: their types, checks, and the agents and contents that they name."""
