"""The service of long-term memory, independent of REST and gRPC, as ``api.tasks``."""
