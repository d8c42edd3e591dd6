"""lading show: a stage's result."""

from typing import Any

from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import clean, gates, number, paint, print_json, say, short, state, table
from lading.cli.places import find_run, find_stage, store_for
from lading.config.commands import follow_up
from lading.errors import NotFoundError
from lading.report.words import size
from lading.store.base import Store


def command(run: options.Run, stage: options.StageName, store: options.StoreOption = None, as_json: options.Json = False) -> None:
    """Print what a stage of a run made: measurements and gates, artifacts with their checksums, what it was made from."""
    place = store_for(store)
    record = view(place, find_run(place, run))
    found = find_stage(record, stage)
    n, manifest = result_of_stage(place, record["run"], stage, found)
    if as_json:
        print_json(
            {
                "run": record["run"],
                "stage": stage,
                "n": n,
                "state": found.get("state"),
                "gates": found.get("gates") or [],
                "manifest": manifest.to_data(),
            }
        )
        return
    head = f"{paint(stage, 'bold')}  {manifest.kind}/{short(manifest.key, 16)}  {state(str(found.get('state')))}"
    say(f"{head}  {gates(found.get('gates') or ())}")
    judged = {row["measurement"]: row for row in reversed(found.get("gates") or ())}
    if manifest.measurements:
        rows = [(clean(name), number(value), _gate(judged.get(name))) for name, value in sorted(manifest.measurements.items())]
        say("\n" + table(("measurement", "value", "gate"), rows, right=[1]))
    if manifest.artifacts:
        rows = [
            (clean(name) + ("" if artifact.handed_on else paint("  kept", "dim")), size(artifact.size), short(artifact.sha256, 16))
            for name, artifact in sorted(manifest.artifacts.items())
        ]
        say("\n" + table(("artifact", "size", "sha256"), rows, right=[1]))
    if manifest.inputs:
        say(
            "\n"
            + table(("made from", "result"), [(role, f"{ref.kind}/{short(ref.key, 16)}") for role, ref in sorted(manifest.inputs.items())])
        )
    for warning in manifest.warnings:
        say(f"{paint('!', 'yellow')} {clean(warning)}")


def _gate(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return (paint("✓", "green") if row["ok"] else paint("✗", "red")) + f" {row['level']} {row['bound']}"


def result_of_stage(store: Store, run: str, name: str, stage: dict[str, Any]) -> tuple[int, Any]:
    """The manifest of a stage of a run.

    Raises:
        NotFoundError: it has none.
    """
    from lading.ledger.manifests import manifest_of

    found = manifest_of(store, stage)
    if found is None:
        word = stage.get("state") or "pending"
        raise NotFoundError(f"{name} has no result in run {run}: it is {word}", do=follow_up(store.uri, "status", run))
    return found
