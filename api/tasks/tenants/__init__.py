"""Tenants: their limits, and what they have spent."""
