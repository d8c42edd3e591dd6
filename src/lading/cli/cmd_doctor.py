"""lading doctor: whether this machine and this store can do the work."""

from pathlib import Path
from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import paint, print_json, say, table
from lading.cli.places import load, store_for
from lading.codes import Exit
from lading.config.commands import completed

MARKS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "absent": ("!", "yellow")}


def command(
    store: options.StoreOption = None,
    backend: options.BackendOption = "local",
    pipeline: Annotated[
        Path | None, typer.Option("--pipeline", metavar="FILE", help="Whose `kubernetes:` map and images to try.", show_default=False)
    ] = None,
    overrides: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Check Python, libraries, disk, accelerators and the store; what must be, what should be, and what is nice to have.

    Writes a few small objects into the store, and takes them away again, to see whether it keeps write-if-absent.
    """
    from lading.cli.checks import examine

    loaded = load(pipeline, overrides) if pipeline else None
    place = store_for(store, loaded)
    found = examine(place)
    if backend == "kubernetes":
        from lading.cli.cluster_checks import examine_cluster
        from lading.config.cluster import Cluster

        cluster = Cluster.model_validate(loaded.kubernetes if loaded else {})
        found += examine_cluster(cluster, cluster.store or place.uri, pipeline=loaded)
    found = [one._replace(do=completed(one.do, place.uri)) for one in found]
    broken = [one for one in found if one.level == "must" and not one.ok]
    if as_json:
        print_json({"ok": not broken, "store": place.uri, "checks": [one._asdict() for one in found]})
    else:
        rows = []
        for one in found:
            mark, style = MARKS["ok" if one.ok else "missing" if one.level == "must" else "absent"]
            rows.append(
                (paint(mark, style), one.level, one.name, one.told + (f"\n{paint('do', 'bold')} {one.do}" if one.do and not one.ok else ""))
            )
        say(table(("", "level", "what", "found"), rows))
    if broken:
        raise typer.Exit(int(Exit.UNREACHABLE if all(one.name == "store" for one in broken) else Exit.STAGE_FAILED))
