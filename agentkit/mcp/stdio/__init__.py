"""MCP servers that are processes of this machine, over their standard streams."""
