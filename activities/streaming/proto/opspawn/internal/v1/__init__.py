"""The internal interface, version 1."""
