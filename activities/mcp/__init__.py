"""Activities that ask MCP servers."""
