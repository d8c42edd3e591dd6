"""`jobs/digits.yaml` by lading, beside the same stage functions called one after another in one Python process."""

import shutil
import subprocess
import sys
from pathlib import Path

from bench.lading_cli import folder, lading, there
from bench.row import Row, side_by_side

PIPELINE = Path(__file__).parent.parent / "jobs" / "digits.yaml"
BOUND = 1.3
ROUNDS = 2


def run() -> list[Row]:
    """Wall times, taken in turns; stores and folders are new each time, the disk is warm."""
    what = "jobs/digits.yaml, all stages"
    if problem := there("torch", "lightning", "onnxruntime", "coremltools"):
        return [Row(what, BOUND, left_out=problem)]
    with folder() as where:
        fresh = iter(range(100))
        ours, theirs = side_by_side(
            lambda: lading("run", str(PIPELINE), "--store", str(where / f"store-{next(fresh)}")),
            lambda: subprocess.run([sys.executable, "-m", "bench.pipeline", str(where / f"plain-{next(fresh)}")], check=True),
            ROUNDS,
        )
    return [Row(what, BOUND, ours, "the same functions in one process", theirs)]


def plain(where: Path) -> None:
    """Every stage function of the pipeline, one after another, in this process: what handing over, claims and processes are added to."""
    from importlib import import_module

    from lading.config.loader import load
    from lading.stages.context import Need, StageContext

    made: dict[str, StageContext] = {}
    pipeline = load(PIPELINE)
    for name, stage in pipeline.stages.items():
        place = where / name
        for part in ("output", "scratch", "checkpoints", "files"):
            (place / part).mkdir(parents=True)
        needs = {}
        for role, need in stage.needs.items():
            handed = place / "inputs" / role
            shutil.copytree(made[need].output, handed)
            for kept in made[need].result()["kept"]:
                (handed / kept).unlink(missing_ok=True)
            needs[role] = Need(role, pipeline.stages[need].kind, handed, made[need].result()["measurements"])
        context = StageContext(
            settings=stage.settings,
            inputs=needs,
            output=place / "output",
            scratch=place / "scratch",
            checkpoints=place / "checkpoints",
            threads=1,
            progress_file=place / "progress.json",
            files=place / "files",
        )
        module, _, function = stage.table.function.partition(":")
        getattr(import_module(module), function)(context)
        made[name] = context


if __name__ == "__main__":
    plain(Path(sys.argv[1]))
