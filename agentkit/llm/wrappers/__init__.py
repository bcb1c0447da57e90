"""Models that wrap another model: rate limits and prices."""
