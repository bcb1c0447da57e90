"""Long-term memory: texts that agents find again, by meaning and by words."""
