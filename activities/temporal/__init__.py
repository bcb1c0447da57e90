"""The use of Temporal's SDK in worker, API and command line: client, data converter, payload storage, process exit."""
