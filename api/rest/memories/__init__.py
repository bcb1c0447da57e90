"""REST's resource of long-term memory."""
