"""The codec server of Temporal's Web UI and command line."""
