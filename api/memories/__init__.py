"""Long-term memory for callers without a task: protocol-free, as ``api.tasks``."""
