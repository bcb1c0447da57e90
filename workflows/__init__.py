"""Replayed code: the agent loop as a durable Temporal workflow."""
