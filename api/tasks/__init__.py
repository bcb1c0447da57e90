"""Protocol-free services: create, read, list and cancel tasks."""
