"""Metaflow and DVC, in an environment of their own that the benchmark makes once; left out with a word where it can't."""

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGES = {"metaflow": "bin/metaflow", "dvc": "bin/dvc", "kubernetes": "lib/python3*/site-packages/kubernetes"}
"""What is installed, and where it is then. Metaflow needs the last for its steps on a cluster, and does not ask for it itself."""


def home() -> Path:
    """Where they live between two benchmarks."""
    return Path(os.environ.get("BENCH_PEERS") or Path.home() / ".cache" / "lading-bench" / "peers")


def install() -> str:
    """Makes the environment; says why it can't, or nothing."""
    if os.environ.get("BENCH_PEERS") == "none":
        return "BENCH_PEERS=none"
    place = home()
    if all(any(place.glob(found)) for found in PACKAGES.values()):
        return ""
    print("bench: installing Metaflow and DVC into an environment of their own (a minute or two)", file=sys.stderr, flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True, timeout=120)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        # The pip that Python 3.11 brings looks for a quarter of an hour for versions of DVC's requirements that fit together.
        subprocess.run([*pip, "--upgrade", "pip"], check=True, capture_output=True, timeout=120)
        subprocess.run([*pip, *PACKAGES], check=True, capture_output=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the peers can't be installed here ({type(error).__name__})"
    return ""


def environ(where: Path) -> dict[str, str]:
    """Everything that they write goes below `where`, and nothing is reported home."""
    quiet = {"DVC_NO_ANALYTICS": "1", "METAFLOW_HOME": str(where / "mf"), "USERNAME": "bench", "METAFLOW_USER": "bench"}
    return {**os.environ, **quiet, "HOME": str(where), "PATH": f"{home() / 'bin'}:{os.environ['PATH']}"}


def dvc_project(where: Path, count: int) -> Path:
    """Stages that do nothing, one after another; each makes a file of a few bytes."""
    where.mkdir()
    stages = [
        f"  s{index}:\n    cmd: echo {index} > o{index}\n" + (f"    deps: [o{index - 1}]\n" if index else "") + f"    outs: [o{index}]\n"
        for index in range(count)
    ]
    (where / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    call(where, "dvc", "init", "--no-scm", "-q")
    return where


def metaflow_flow(where: Path, count: int) -> Path:
    """A flow of steps that do nothing, one after another."""
    where.mkdir()
    names = ["start", *(f"s{index}" for index in range(1, count - 1)), "end"]
    steps = [f"    @step\n    def {name}(self):\n        self.next(self.{after})\n\n" for name, after in itertools.pairwise(names)]
    last = "    @step\n    def end(self):\n        pass\n\n\n"
    body = "from metaflow import FlowSpec, step\n\n\nclass Empty(FlowSpec):\n" + "".join(steps) + last
    (where / "flow.py").write_text(body + 'if __name__ == "__main__":\n    Empty()\n')
    return where


def call(where: Path, *command: str, env: Mapping[str, str] | None = None) -> None:
    """One command of a peer, quietly."""
    done = subprocess.run(command, cwd=where, check=False, capture_output=True, text=True, env={**environ(where), **(env or {})})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
