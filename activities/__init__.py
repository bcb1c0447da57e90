"""I/O behind agentkit's Protocols: what a workflow has done for it."""
