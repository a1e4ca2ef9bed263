"""Legacy per-stream contexts: no counts but states, from the pool to the pool."""
