"""The parts of ``opspawn dev``: child processes, their guard, their logs, ports and the lock of the data directory."""
