"""What lists and event streams read of a running task: search attributes, memo and journal."""
