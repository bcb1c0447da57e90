"""Activities of long-term memory, and the worker that serves them."""
