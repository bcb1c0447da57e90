"""REST's resource of conversations."""
