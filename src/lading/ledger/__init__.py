"""Finished runs, to look at and to compare."""
