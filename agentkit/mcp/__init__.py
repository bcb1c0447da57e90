"""MCP servers: connections, tools, resources and prompts. Wired only in ``worker.py`` and ``agentkit.mcp.__main__``."""
