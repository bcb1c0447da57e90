"""Conversations over Temporal, for any protocol: create, list, change and delete them, send messages, read turns."""
