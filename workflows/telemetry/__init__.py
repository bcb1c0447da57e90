"""The telemetry of tasks: what their workflows and activities report."""
