"""What is too large for history, or read more than once: payloads, messages, results and files of tasks."""
