"""MCP servers with a URL: streamable HTTP, server-sent events, and OAuth."""
