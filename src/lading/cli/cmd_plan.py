"""lading plan: what a run would do, and why."""

from typing import Any

from lading.cli import options
from lading.cli.output import paint, print_json, say, short, state, table
from lading.cli.places import check_stages, load, store_for


def command(
    file: options.PipelineFile,
    overrides: options.Set = None,
    only: options.Only = None,
    until: options.Until = None,
    force: options.Force = None,
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Say for each stage whether its result is there (hit), must be made (miss), or waits to be known, and why. Writes nothing."""
    from lading.plan.build import build
    from lading.plan.selection import Selection

    pipeline = load(file, overrides)
    check_stages(pipeline, *(only or ()), *(force or ()), until)
    place = store_for(store, pipeline)
    plan = build(pipeline, place, selection=Selection.of(force, only, until))
    stages = list(plan.stages.values())
    if as_json:
        print_json({"pipeline": pipeline.pipeline, "store": place.uri, "stages": {stage.name: _data(stage) for stage in stages}})
        return
    say(f"{paint(pipeline.pipeline, 'bold')}  {paint(place.uri, 'dim')}")
    rows = [(stage.name, short(stage.key) or paint("-", "dim"), state(stage.state), why(stage)) for stage in stages]
    say(table(("stage", "key", "state", "why"), rows))
    counts = {word: sum(stage.state == word for stage in stages) for word in ("hit", "miss", "waits")}
    say()
    say(f"{counts['hit']} of {len(stages)} results are there, {counts['miss']} to make, {counts['waits']} known later")


def why(stage: Any) -> str:
    """The reason of a planned stage in one cell, with the fields that changed."""
    from lading.plan.why import short_value

    changes = [f"{change.path}: {short_value(change.before)} → {short_value(change.after)}" for change in (stage.changes or ())[:3]]
    more = len(stage.changes or ()) - len(changes)
    told = [change for change in changes if change not in stage.why]
    return "\n".join(part for part in (stage.why, *told, f"and {more} more" if more > 0 else "") if part)


def _data(stage: Any) -> dict[str, Any]:
    data: dict[str, Any] = stage.to_data()
    return {name: data[name] for name in data if name != "name"}
