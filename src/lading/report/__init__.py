"""One page for a run, self-contained: made of what lies in the store, and of nothing else."""
