"""Activities of conversations."""
