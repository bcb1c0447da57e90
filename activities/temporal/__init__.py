"""What worker, API and command line share of Temporal: client, payload conversion, process exit."""
