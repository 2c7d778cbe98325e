"""The command line: its options, its console, its commands."""
