"""Tools in workflows: which ones a task has, and their calls as activities."""
