"""Interfaces between Opspawn's own processes."""
