"""Forks: tasks that go on from a step of other tasks."""
