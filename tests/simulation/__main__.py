"""python -m tests.simulation --seeds 100000 [--seed K]: explores the launch protocol; prints each seed that breaks a promise."""

import argparse
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulation.world import ViolationError, simulate


def main() -> int:
    """0: every promise held in every world."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Explores the launch protocol.")
    parser.add_argument("--seeds", type=int, default=2000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this world alone")
    asked = parser.parse_args()
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    broken = 0
    for seed in seeds:
        try:
            simulate(seed)
        except (ViolationError, Exception) as error:
            broken += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
            if asked.seed is not None:
                traceback.print_exc()
            if broken >= 10:
                break
    print(f"{len(seeds)} worlds, {broken} with a broken promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
