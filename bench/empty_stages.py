"""Ten stages that do nothing, one after another, on this machine: what a stage costs beyond its work, beside Metaflow and DVC."""

import shutil
import subprocess
from pathlib import Path

from bench import peers
from bench.lading_cli import empty_stages, folder, lading, there
from bench.row import Row, seconds

STAGES = 10
ROUNDS = 3
BOUND_S = 0.06


def run() -> list[Row]:
    """A step's cost: a run that makes all, less one that finds all made, over the steps, less the work itself (`true`)."""
    what = "an empty stage, local"
    if problem := there("lading.launch.run", "lading.cli.cmd_run"):
        return [Row(what, BOUND_S, left_out=problem)]
    no_peers = peers.install()
    ours, hits, dvc, metaflow = [], [], [], []
    with folder() as where:
        pipeline = empty_stages(where, STAGES, chain=True)
        for number in range(ROUNDS):
            store = str(where / f"store-{number}")
            fresh = seconds(lambda store=store: lading("run", str(pipeline), "--store", store))
            again = seconds(lambda store=store: lading("run", str(pipeline), "--store", store))
            work = seconds(lambda: [subprocess.run(["true"], check=True) for _ in range(STAGES)])
            hits.append(again)
            ours.append((fresh - again - work) / STAGES)
            if not no_peers:
                dvc.append(_dvc(where / f"dvc-{number}"))
                metaflow.append(_metaflow(where / f"metaflow-{number}"))
    rows = [Row(what, BOUND_S, tuple(ours)), Row(f"{STAGES} stages, all hits", 0.35, tuple(hits))]
    rows.append(Row(what, 1.0, tuple(ours), "Metaflow, a step", tuple(metaflow), left_out=no_peers))
    # DVC runs the command as a child of its own process, with no record of it that would outlive a crash: no bound, a figure to know.
    rows.append(Row(what, None, tuple(ours), "DVC, a step", tuple(dvc), left_out=no_peers))
    return rows


def _dvc(where: Path) -> float:
    """A step's cost in DVC: `repro` that makes all, less one that finds all made."""
    peers.dvc_project(where, STAGES)
    fresh = seconds(lambda: peers.call(where, "dvc", "repro", "-q"))
    again = seconds(lambda: peers.call(where, "dvc", "repro", "-q"))
    shutil.rmtree(where)
    return (fresh - again) / STAGES


def _metaflow(where: Path) -> float:
    """A step's cost in Metaflow, which finds nothing made: a flow of ten more steps, less one of two."""
    long, short = peers.metaflow_flow(where, STAGES + 2), peers.metaflow_flow(where.with_name(where.name + "-short"), 2)
    python = str(peers.home() / "bin" / "python")
    times = [seconds(lambda at=at: peers.call(at, python, "flow.py", "--no-pylint", "run")) for at in (long, short)]
    shutil.rmtree(long)
    return (times[0] - times[1]) / STAGES
