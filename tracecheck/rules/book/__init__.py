"""The book of rules: what each rule means, why it is a bug, and how to fix what it finds."""

from tracecheck.rules.book.pages import BookError, Family, Page, families, looked_for, page, parse
from tracecheck.rules.book.sources import Source

__all__ = ["BookError", "Family", "Page", "Source", "families", "looked_for", "page", "parse"]
