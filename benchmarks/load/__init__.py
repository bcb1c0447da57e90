"""Load by many users at once, made by locust: ``python -m benchmarks.load``."""
