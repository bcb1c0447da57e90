"""Settings, providers and their keys, local models, durations."""
