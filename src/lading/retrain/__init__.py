"""When to train again: triggers, a decision that is made once a tick, and the launch that follows from it."""
