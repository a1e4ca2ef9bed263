"""One thin module for each command: arguments in, a reader, a reporter, an exit code out."""
