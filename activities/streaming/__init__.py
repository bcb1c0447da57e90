"""Token streams from the worker to the API."""
