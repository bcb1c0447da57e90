"""A conversation with an agent on a terminal: ``opspawn chat``."""
