"""Versions of workers: which are there, and how tasks move between them."""
