"""The command line: parses, calls, prints, and maps errors to exit codes."""
