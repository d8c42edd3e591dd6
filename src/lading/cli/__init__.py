"""Thin verbs, tables, progress bars, and the one place where errors are shown."""
