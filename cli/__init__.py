"""The ``opspawn`` command: it starts everything on one machine, and talks to the API on any."""
