"""The tools that every agent may have."""
