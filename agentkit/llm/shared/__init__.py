"""What the clients of several providers have in common."""
