"""What we claim of Opspawn's cost, measured: ``python -m benchmarks.steps``."""
