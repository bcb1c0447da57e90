"""The subcommands; ``cli.main`` imports only the module of the one that is run."""
