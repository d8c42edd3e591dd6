"""Finished runs to look at and to compare: read from the store, never written."""
