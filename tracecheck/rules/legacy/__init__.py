"""F: legacy per-stream contexts, which have no reference count."""

# Importing a module enters its rules into the registry.
from tracecheck.rules.legacy import calls, life, lists, unfreed

__all__ = ["calls", "life", "lists", "unfreed"]
