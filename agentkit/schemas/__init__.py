"""JSON Schemas of structured output: which can be used, and whether a response fits, in bounded time."""
