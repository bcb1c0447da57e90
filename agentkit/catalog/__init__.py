"""The app directory: agent files, tool files and the defaults that come with agentkit."""
