"""Stages as Jobs of a cluster: rendered, watched, explained; no controller and no CRD of our own."""
