"""REST's resource of tenants."""
