"""lading debug: runs one stage of a run here, on the very same inputs."""

import os
import secrets
import shlex
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lading import names
from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import complain, number, paint, say
from lading.cli.places import find_run, find_stage, nearest, store_for
from lading.codes import Exit
from lading.config.commands import follow_up
from lading.errors import LadingError, NotFoundError, UserError
from lading.store.base import Store

if TYPE_CHECKING:
    from lading.plan.job import JobSpec


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
    from lading.stages.threads import child_environment

    if keep is not None and (keep.is_file() or (keep.is_dir() and any(keep.iterdir()))):
        raise UserError(
            f"{keep} is {'a file' if keep.is_file() else 'not empty'}, and a stage starts in an empty folder", do="name another"
        )
    place = store_for(store)
    record = view(place, find_run(place, run))
    find_stage(record, stage)
    job = job_of(place, record, stage)
    names.work_place(os.environ).mkdir(parents=True, exist_ok=True)
    work = (keep or Path(tempfile.mkdtemp(prefix=f"lading-debug-{stage}-", dir=names.work_place(os.environ)))).absolute()
    workspace.make(work, job)
    workspace.receive(place, job, work)
    say(f"{paint(stage, 'bold')} of {record['run']} in {work}")
    # As in a run; what this shell has beyond that stays, and a debugger may need it.
    os.environ.update(child_environment(os.environ, job.resources, scratch=work / names.WORK_SCRATCH))
    os.chdir(work)
    _run(work, job, pdb=pdb)


def _run(work: Path, job: "JobSpec", *, pdb: bool) -> None:
    """Runs the stage's function; an exception of its own is shown in full, which is what one debugs for."""
    from lading.stages.worker import frame_of, run_stage

    try:
        context = run_stage(work)
    except Exception as error:
        known = isinstance(error, LadingError)
        if known and job.kind == "script":
            raise LadingError(str(error).partition("; the last it said")[0], do=_by_hand(work, job)) from None
        if known and not pdb:
            raise
        traceback.print_exception(error)
        complain(f"the stage raised {type(error).__name__}", do="" if pdb else "the same command with --pdb opens the debugger there")
        if pdb:
            import pdb as debugger

            if up := _above(error):
                say(f"u {up} leads up to {frame_of(error.__traceback__)}")
            debugger.post_mortem(error.__traceback__)
        sys.exit(int(Exit.STAGE_FAILED))
    for name, value in sorted(context.result()["measurements"].items()):
        say(f"  {name}  {number(value)}")
    say(f"it succeeded; what it made is in {work / names.WORK_OUTPUT}")


def _by_hand(work: Path, job: "JobSpec") -> str:
    """How to run a script's command oneself: it is a process of its own, which a debugger of this one can't enter."""
    env = {names.ENV_INPUTS: work / names.WORK_INPUTS, names.ENV_OUTPUT: work / names.WORK_OUTPUT, **job.resources.env}
    given = [f"{name}={shlex.quote(str(value))}" for name, value in {**env, **job.settings.get("env", {})}.items()]
    command = [sys.executable if part == "python" and not at else part for at, part in enumerate(job.settings["command"])]
    return f"by hand: cd {shlex.quote(str(work / names.WORK_FILES))} && {' '.join(given)} {shlex.join(command)}"


def _above(error: Exception) -> int:
    """How many frames above the one that raised the user's own is, in which the debugger is of use."""
    from lading.stages.worker import frame_of

    frames = list(traceback.walk_tb(error.__traceback__))
    wanted = frame_of(error.__traceback__)
    told = [f"{Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}" for frame, line in frames]
    return next((up for up, one in enumerate(reversed(told)) if one == wanted), 0)


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
            raise NotFoundError(f"{stage} needs {need}, which has no result in run {run}", do=follow_up(store.uri, "status", run))
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
        outside=one.outside,
    )
