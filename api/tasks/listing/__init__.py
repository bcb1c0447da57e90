"""Lists of tasks, and what is counted and shown of all tasks at once."""
