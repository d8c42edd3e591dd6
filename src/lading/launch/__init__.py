"""Walks a plan: claims, submits, watches, judges, ends a run."""
