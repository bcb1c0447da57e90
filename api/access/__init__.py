"""Authentication and roles of requests, for REST and gRPC alike."""
