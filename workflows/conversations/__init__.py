"""The conversation workflow."""
