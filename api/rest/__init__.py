"""REST: maps HTTP requests to ``api.tasks``, and its snapshots and errors to JSON and problem documents."""
