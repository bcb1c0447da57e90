"""Encryption of payloads, and the keys of tenants and users."""
