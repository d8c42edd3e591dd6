"""`python -m bench.seeds jobs/digits.yaml [--seeds 20]`: do a pipeline's gates hold whatever the seed? Of splits and of training at once.

Ends with 1 if a `must` or `should` gate was broken by any seed. Not part of `python -m bench`: it trains as often as there are seeds.
"""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import lading
from lading.plan.selection import with_needs

SEEDED = ("data", "train")


def main(arguments: list[str]) -> int:
    """Runs the pipeline up to its last stage with gates, once a seed."""
    parser = argparse.ArgumentParser(prog="python -m bench.seeds", description=__doc__.split("\n")[0])
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--store", help="where; by default a folder that goes at the end")
    asked = parser.parse_args(arguments)
    found: dict[tuple[str, str], list[dict]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="lading-seeds-") as folder:
        for seed in range(asked.first, asked.first + asked.seeds):
            pipeline = lading.load(asked.pipeline, overrides=[f"stages.{stage}.settings.seed={seed}" for stage in SEEDED])
            gated = [name for name in pipeline.stages if pipeline.file.stages[name].gates]
            run = pipeline.run(store=asked.store or folder, only=sorted(with_needs(pipeline.file, gated)), check=False)
            gates = [(stage, gate) for stage in gated for gate in run[stage].gates]
            values = dict.fromkeys(f"{stage}.{gate['measurement']} {gate['value']:.4g}" for stage, gate in gates)
            print(f"seed {seed}:", "  ".join(values), flush=True)
            for stage, gate in gates:
                found[stage, f"{gate['measurement']} {gate['level']} {gate['bound']}"].append(gate)
            if not gates:
                print(f"seed {seed}: the run {run.state}, no gate was judged", flush=True)
                return 1
    broken = 0
    for (stage, text), gates in found.items():
        values, held = [gate["value"] for gate in gates], sum(gate["ok"] for gate in gates)
        broken += len(gates) - held
        spread = f"{min(values):.4g} to {max(values):.4g}, median {statistics.median(values):.4g}"
        print(f"{stage}: {text}: held for {held} of {len(gates)} seeds ({spread})")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
