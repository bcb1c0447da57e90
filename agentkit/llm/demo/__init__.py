"""A deterministic model that needs no key."""
