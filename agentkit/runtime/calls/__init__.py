"""The rules of tool calls: arguments, policy, effects, results."""
