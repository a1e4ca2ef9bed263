"""References and lives in the formats of other programs: speedscope, collapsed stacks, Chrome's traces."""
