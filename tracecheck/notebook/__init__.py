"""Captures in notebooks: tables that show themselves, timelines that draw themselves, plots, many files."""
