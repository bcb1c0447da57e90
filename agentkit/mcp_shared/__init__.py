"""What the MCP clients share with settings, tools and workflows: names, files, processes, inputs."""
