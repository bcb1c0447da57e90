"""Answers of people to input requests: what they type, edit and send."""
