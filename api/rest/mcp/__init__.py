"""REST's resource of MCP servers."""
