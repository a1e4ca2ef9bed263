"""WPP software tracing: message definitions (TMF files, PDBs), arguments as columns, and their text."""
