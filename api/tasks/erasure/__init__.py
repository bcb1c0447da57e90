"""Erase tasks and conversations that have ended."""
