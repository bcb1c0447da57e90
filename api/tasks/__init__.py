"""Protocol-free services: create, read, list and cancel tasks. REST and gRPC map their messages to these types."""
