"""The programs that benchmarks start."""
