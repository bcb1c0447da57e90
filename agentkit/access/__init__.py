"""Who may use the API: API keys, tokens of an identity provider, and how often. No Temporal and no web framework."""
