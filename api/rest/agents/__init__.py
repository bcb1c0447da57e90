"""REST's resources of agents and their tools."""
