"""REST: HTTP requests to api.tasks and back."""
