"""The output of commands: lines, tables, JSON and the live view of a task."""
