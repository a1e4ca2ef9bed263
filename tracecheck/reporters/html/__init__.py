"""The HTML report: one page that holds its data, its style and its program, and asks for nothing else."""

from tracecheck.reporters.html.page import render
from tracecheck.reporters.html.tables import MOST_STEPS

__all__ = ["MOST_STEPS", "render"]
