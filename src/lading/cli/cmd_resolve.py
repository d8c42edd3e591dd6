"""lading resolve: a pipeline as it travels into a cluster."""

from lading.cli import options
from lading.cli.output import print_json
from lading.cli.places import load, store_for


def command(file: options.PipelineFile, overrides: options.Set = None, store: options.StoreOption = None) -> None:
    """Store the user files that a pipeline names, and print it with their digests: what travels into a cluster."""
    from lading.plan.resolve import resolve
    from lading.store.opening import ensure_honest

    pipeline = load(file, overrides)
    place = store_for(store, pipeline)
    ensure_honest(place)
    print_json(resolve(pipeline, place).to_data())
