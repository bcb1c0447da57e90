"""What tenants spend: the workflow of a tenant's day, and how workers report to it."""
