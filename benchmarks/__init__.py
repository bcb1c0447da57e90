"""Benchmarks of Opspawn's cost: ``python -m benchmarks.steps`` and ``python -m benchmarks.watching``."""
