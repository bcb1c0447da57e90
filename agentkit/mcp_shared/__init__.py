"""What the MCP clients share with settings, tools and workflows: names, settings of servers, references."""
