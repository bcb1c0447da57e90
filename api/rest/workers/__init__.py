"""REST's resource of workers and their versions."""
