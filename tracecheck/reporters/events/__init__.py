"""`events`: every record decoded as far as its definition is known, and written in four formats."""
