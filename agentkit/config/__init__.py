"""Settings, provider names and keys, durations."""
