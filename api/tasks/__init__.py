"""Protocol-free services: create, list, answer, steer and fork tasks. REST and gRPC map their messages to these."""
