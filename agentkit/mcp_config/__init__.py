"""What agents and mcp.json write about MCP: settings of servers, names of tools, references to what servers offer."""
