"""What Temporal's visibility holds of tasks, and which of it a principal sees."""
