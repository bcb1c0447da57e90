"""Workflows about tenants."""
