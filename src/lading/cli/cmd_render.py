"""lading render: what `kubectl apply` takes to run a pipeline in a cluster."""

import sys
from typing import Annotated

import typer

from lading.cli import options
from lading.cli.places import check_stages, load


def command(
    file: options.PipelineFile,
    overrides: options.Set = None,
    store: options.StoreOption = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="The run's id.", show_default="a new one")] = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STAGE", help="Print this stage's Job instead, with a key of zeros.", show_default=False),
    ] = None,
) -> None:
    """Print the objects that run a pipeline in a cluster, as YAML: lading render FILE --store s3://... | kubectl apply -f -"""
    import yaml

    from lading.cli.cluster import rendered, stage_example

    pipeline = load(file, overrides)
    check_stages(pipeline, stage)
    found = [stage_example(pipeline, stage, store)] if stage else rendered(pipeline, store, run)
    sys.stdout.write(yaml.safe_dump_all(found, sort_keys=False))
