"""The ``opspawn`` command: start everything on this machine, and use the API of any machine."""
