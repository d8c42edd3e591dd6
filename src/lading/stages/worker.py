"""The stage's own process: builds the context, runs the kind's function, and leaves result.json or outcome.json. It knows no store."""

import errno
import json
import os
import re
import sys
import sysconfig
import traceback
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from pydantic import ValidationError

from lading import names
from lading.attempt.records import Cause, Outcome
from lading.codes import Code
from lading.config.kinds import KINDS
from lading.errors import LadingError, WrongInputError
from lading.plan.job import JobSpec
from lading.stages.context import Need, StageContext
from lading.stages.ending import TAIL, of_error, place_in
from lading.stages.threads import thread_count

_HERE = str(Path(__file__).resolve().parent.parent)
_ROOT = Path(_HERE).parent
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_LOST = re.compile("connection (closed|reset|refused)|timed out|timeout|broken pipe|remote process exited|aborted", re.IGNORECASE)


def main(work: Path) -> int:
    """Runs the stage whose job.json lies in `work`; 0, or 1 after leaving an outcome."""
    rank = os.environ.get("RANK")
    try:
        context = run_stage(work)
        if rank in (None, "0"):
            _write(work / names.WORK_RESULT, context.result() | {"hardware": _accelerators()})
        return 0
    except BaseException as error:  # noqa: BLE001 (whatever it was, the supervisor hears of it)
        if isinstance(error, SystemExit) and not error.code:
            left = LadingError("the stage called sys.exit() before it had returned", do="let the function return")
            error = left.with_traceback(error.__traceback__)
        _tell(error)
        _write(place_in(work, None if rank is None else int(rank)), outcome_of(error).to_data())
        return 1


def _forget_where_started() -> None:
    """Takes the folder in which this interpreter was started off `sys.path`, where `python -m` puts it.

    What a stage imports is installed, or came with it by digest: never what happens to lie where a person typed a command.
    """
    started = getattr(sys.modules.get("__main__"), "__spec__", None)
    by_name = started is not None and started.name.startswith("lading.") and not sys.flags.safe_path
    if by_name and sys.path and Path(sys.path[0]).resolve() != _ROOT:
        del sys.path[0]


def _tell(error: BaseException) -> None:
    """Into the log: a traceback, or one sentence where lading itself says what is wrong, for its own frames help nobody."""
    if isinstance(error, LadingError) and error.__cause__ is None and not frame_of(error.__traceback__, only_own=True):
        sys.stderr.write(f"lading: {error.message.splitlines()[0]}\n")
    else:
        traceback.print_exception(error)
    sys.stderr.flush()


def run_stage(work: Path) -> StageContext[Any]:
    """Runs the stage whose job.json lies in `work` in this process; what it raises goes through (`lading debug` wants it)."""
    _forget_where_started()
    job = JobSpec.model_validate_json((work / names.WORK_JOB).read_bytes())
    kind = KINDS[job.kind]
    try:
        settings = kind.settings_model().model_validate(job.settings)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise WrongInputError(f"the settings of stage {job.stage} are wrong: {problems}") from None
    module, _, name = kind.function.partition(":")
    try:
        function = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "lading":
            raise
        raise _missing(error, job.kind) from None
    threads = thread_count(job.resources)
    _set_threads(threads)
    measurements = json.loads((work / names.WORK_INPUTS / "measurements.json").read_bytes())
    inputs = {
        role: Need(role, ref.kind, work / names.WORK_INPUTS / role, measurements.get(role, {})) for role, ref in sorted(job.inputs.items())
    }
    context = StageContext(
        settings=settings,
        inputs=inputs,
        output=work / names.WORK_OUTPUT,
        scratch=work / names.WORK_SCRATCH,
        checkpoints=work / names.WORK_CHECKPOINTS,
        threads=threads,
        progress_file=work / names.WORK_PROGRESS,
        files=work / names.WORK_FILES,
    )
    function(context)
    return context


def _missing(error: ModuleNotFoundError, kind: str) -> LadingError:
    from lading.errors import CannotRunHereError

    return CannotRunHereError(
        f"the library {error.name} is not installed here, and the {kind} stage needs it",
        do="install lading[train,export] here, or let the stage run where it is: image:, runner:",
    )


def _set_threads(threads: int) -> None:
    """For libraries that were imported before the environment said it (in a warm process); the others read the environment."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(threads)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # forked processes would share their parent's
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            return
        threadpool_limits(threads)


def _accelerators() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())], "cuda": torch.version.cuda}


def _write(path: Path, value: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, allow_nan=False))
    part.replace(path)


def outcome_of(error: BaseException) -> Outcome:
    """How the stage's own process says that it failed."""
    text = "".join(traceback.format_exception(error))[-TAIL:]
    said = isinstance(error, LadingError)
    where = str(getattr(error, "where", "")) or frame_of(error.__traceback__, only_own=said)
    if said or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return of_error(error).but(where=where, traceback=text)
    message = f"{type(error).__name__}: {error}"[:2000]
    if _in_collective(error):
        lost = _LOST.search(str(error))
        code, cause = (Code.PEER_LOST, Cause.PEER_LOST) if lost else (Code.FAILED, Cause.FAILED_IN_COLLECTIVE)
        return Outcome(code=code, cause=cause, message=message, where=where, traceback=text)
    return Outcome(code=Code.FAILED, cause=Cause.FAILED, message=message, where=where, traceback=text)


def frame_of(trace: TracebackType | None, *, only_own: bool = False) -> str:
    """The last frame in the user's own code, or else (unless `only_own`) in lading's: `file.py:12 in function`."""
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename != __file__]
    foreign = (*_LIBRARIES, _HERE, "<frozen")
    own = [frame for frame in frames if not frame.filename.startswith(foreign) and "-packages" not in frame.filename]
    ours = [frame for frame in frames if frame.filename.startswith(_HERE)]
    best = (own if only_own else own or ours or frames)[-1:]
    return "".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in best)


def _in_collective(error: BaseException) -> bool:
    """Whether it was raised inside torch.distributed, as far as the frames and the text tell."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = bool(frames) and f"torch{os.sep}distributed" in frames[-1].filename
    named = type(error).__module__.startswith("torch.distributed") or type(error).__name__.startswith("Dist")
    return inside or named or any(word in str(error) for word in ("gloo/", "third_party/gloo", "NCCL", "ProcessGroup"))


def leave(code: int) -> NoReturn:
    """Ends this process; one that failed at once: what it had to say is said, its peers and its pod wait for its end, and torch takes
    seconds of a busy machine to be taken apart."""
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    leave(main(Path(sys.argv[1])))
