"""The loop of a machine that pulls work: it lists tickets, takes what it can do, and runs the same stage entry as everybody."""
