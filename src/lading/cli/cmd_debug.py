"""lading debug: runs one stage of a run here, on the very same inputs."""

import os
import secrets
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from lading import names
from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import complain, number, paint, say
from lading.cli.places import find_run, find_stage, nearest, store_for
from lading.codes import Exit
from lading.errors import LadingError, NotFoundError
from lading.store.base import Store


def command(
    run: options.Run,
    stage: options.StageName,
    pdb: Annotated[bool, typer.Option("--pdb", help="Open the debugger where it fails.")] = False,
    keep: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="Work in this (empty) folder, and keep it.", show_default=False)
    ] = None,
    store: options.StoreOption = None,
) -> None:
    """Fetch the exact inputs of a stage of a run and run its function here, in this process. Writes nothing to the store."""
    from lading.stages import workspace

    place = store_for(store)
    record = view(place, find_run(place, run))
    find_stage(record, stage)
    job = job_of(place, record, stage)
    work = (keep or Path(tempfile.mkdtemp(prefix=f"lading-debug-{stage}-"))).absolute()
    workspace.make(work, job)
    workspace.receive(place, job, work)
    say(f"{paint(stage, 'bold')} of {record['run']} in {work}")
    os.chdir(work)
    _run(work, pdb=pdb)


def _run(work: Path, *, pdb: bool) -> None:
    """Runs the stage's function; an exception of its own is shown in full, which is what one debugs for."""
    from lading.stages.worker import run_stage

    try:
        context = run_stage(work)
    except LadingError:
        raise
    except Exception as error:  # noqa: BLE001 - the stage may raise anything, and it is shown
        traceback.print_exception(error)
        complain(f"the stage raised {type(error).__name__}", do="" if pdb else "the same command with --pdb opens the debugger there")
        if pdb:
            import pdb as debugger

            debugger.post_mortem(error.__traceback__)
        sys.exit(int(Exit.STAGE_FAILED))
    for name, value in sorted(context.result()["measurements"].items()):
        say(f"  {name}  {number(value)}")
    say(f"it succeeded; what it made is in {work / names.WORK_OUTPUT}")


def job_of(store: Store, record: dict[str, Any], stage: str) -> Any:
    """The stage's job as the run's launcher made it: settings from plan.json, inputs from the results that the run used.

    Raises:
        NotFoundError: the run has no plan any more, or a need has no result.
    """
    from lading.config.loader import from_data
    from lading.ledger.documents import pipeline_of, read_json
    from lading.ledger.manifests import manifest_of
    from lading.plan.fingerprint import fingerprint
    from lading.plan.job import JobSpec

    run = str(record["run"])
    resolved = pipeline_of(read_json(store, names.RunPlaces(run).plan) or {})
    if not resolved:
        raise NotFoundError(f"run {run} has no plan.json any more", do="run the pipeline again")
    planned = from_data(resolved, folder=Path(), source=f"plan.json of {run}").stages
    if stage not in planned:
        raise NotFoundError(f"the plan of run {run} has no stage {stage!r}", do=nearest(stage, planned))
    one = planned[stage]
    inputs = {}
    for role, need in one.needs.items():
        found = manifest_of(store, record["stages"][need])
        if found is None:
            raise NotFoundError(f"{stage} needs {need}, which has no result in run {run}", do=f"lading status {run}")
        inputs[role] = found[1].ref(found[0])
    return JobSpec(
        run=run,
        stage=stage,
        kind=one.kind,
        key=record["stages"][stage].get("key") or "0" * 64,
        attempt=1,
        nonce=secrets.token_hex(8),
        store=store.uri,
        settings=one.settings.to_data(),
        inputs=inputs,
        fingerprint=fingerprint(one.kind),
        resources=one.resources,
    )
