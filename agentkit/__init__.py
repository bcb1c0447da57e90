"""The parts of agents: messages, models, planners, tools, and the agent loop. No Temporal, no web framework."""
