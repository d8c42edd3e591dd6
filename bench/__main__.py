"""`python -m bench [NAME ...]`: runs every bench/<name>.py with a `run() -> list[Row]`, prints a table, writes bench/results/.

Ends with 1 if a bound is missed, 2 if a benchmark could not be run.
"""

import importlib
import json
import os
import platform
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.row import Row

FOLDER = Path(__file__).parent
FRAME = {"__init__", "__main__", "row"}


def main(names: list[str]) -> int:
    """Runs what is named, or all."""
    known = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in FRAME)
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    rows: list[tuple[str, Row]] = []
    broken = False
    for name in names or known:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        try:
            run = getattr(importlib.import_module(f"bench.{name}"), "run", None)
            found: list[Row] = run() if run else []
        except Exception:  # noqa: BLE001 - one that breaks must not take the others with it
            traceback.print_exc()
            broken = True
            continue
        rows += [(name, row) for row in found]
        if found:
            _write(name, found)
    Console(width=max(Console().width, 150)).print(_table(rows))
    return 2 if broken else int(any(row.met is False for _, row in rows))


def _write(name: str, rows: list[Row]) -> None:
    """The figures with the machine that gave them: a ratio outlives it, a time does not."""
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(), "system": platform.system()}
    target = FOLDER / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": machine, "rows": [row.to_data() for row in rows]}, indent=1) + "\n")


def _table(rows: list[tuple[str, Row]]) -> Table:
    table = Table("bench", "what", "against", "best", "median", "bound", "", title="lower is better; x: ours / theirs, taken in turns")
    for name, row in rows:
        unit = "x" if row.against else row.unit
        figures = [f"{figure:.3g} {unit}" if figure is not None else "-" for figure in (row.best, row.median)]
        verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: f"left out: {row.left_out}" if row.left_out else ""}[row.met]
        table.add_row(name, row.what, row.against or "-", *figures, "-" if row.bound is None else f"{row.bound:g} {unit}", verdict)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
