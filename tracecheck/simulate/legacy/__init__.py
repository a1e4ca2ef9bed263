"""A legacy filter driver beside the minifilters: per-stream contexts in pool, without reference counts."""
