"""Read a model's stream of events, and build its response."""
