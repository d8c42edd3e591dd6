"""One try at a stage: claim, progress, outcome, verdict."""
