"""The subcommands, a module each; ``cli.main`` loads the one that was asked for."""
