"""The activities that workflows schedule: requests to models and tool calls, and what they need of Temporal."""
