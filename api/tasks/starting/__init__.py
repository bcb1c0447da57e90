"""Start tasks: the agent, the input and the workflow of each, once for an idempotency key."""
