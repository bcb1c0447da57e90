"""Tenants: their settings, and what they have spent."""
