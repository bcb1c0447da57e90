"""Packages of protos."""
