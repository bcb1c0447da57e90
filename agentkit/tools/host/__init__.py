"""A project's own tools, in processes of their own: what they do there can't harm the worker."""
