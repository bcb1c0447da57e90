"""Shorten transcripts that no longer fit a model's context window."""
