"""The API: REST and gRPC over tasks that Temporal holds; it has no store of its own."""
