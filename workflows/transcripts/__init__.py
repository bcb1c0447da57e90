"""Transcripts in workflows: their versions, how they are shortened, and how activities read them."""
