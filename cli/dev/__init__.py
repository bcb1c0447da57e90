"""What ``opspawn dev`` is made of: child processes, their guard, their logs, ports and the lock."""
