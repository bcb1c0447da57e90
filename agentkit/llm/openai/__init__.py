"""OpenAI's APIs, and every server that is compatible with them."""
