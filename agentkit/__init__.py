"""The parts of agents: messages, models, planners, tools, and the rules of their loop. No Temporal, no web."""
