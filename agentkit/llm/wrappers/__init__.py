"""Models around models: rate limits and prices."""
