"""The relay's server: takes tokens from the workers over gRPC. Its client is ``activities.streaming``."""
