"""Implementation of ``opspawn chat``: a conversation on a terminal."""
