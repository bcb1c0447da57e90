"""The relay's server: receives tokens from the workers over gRPC. Its client is in ``activities.streaming``."""
