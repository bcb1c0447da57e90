"""The HTTP front end: starts, shows and stops tasks; all it knows, Temporal keeps."""
