"""Transcripts in workflows: their versions, and who reads them."""
