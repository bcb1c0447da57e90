"""OpenRouter's API."""
