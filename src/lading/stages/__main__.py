"""`python -m lading.stages JOB.json|-`: the stage entry, the same in a pod, on a laptop and on a Mac."""

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from lading import names
from lading.codes import Code
from lading.errors import LadingError
from lading.logs import configure, get_logger


def main(arguments: list[str]) -> int:
    """Reads the job, supervises it, and gives the code."""
    configure()
    log = get_logger()
    if len(arguments) != 1 or arguments[0] in {"-h", "--help"}:
        log.error("usage", message="python -m lading.stages JOB.json    (or - for standard input)")
        return int(Code.WRONG_INPUT)
    from pydantic import ValidationError

    from lading.plan.job import JobSpec
    from lading.stages import machine
    from lading.stages.asked import Asked
    from lading.stages.supervisor import Surroundings, supervise
    from lading.store.opening import open_store

    asked = Asked()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked.signal)
    machine.keep_private()
    work = None
    try:
        text = sys.stdin.read() if arguments[0] == "-" else Path(arguments[0]).read_text()
        job = JobSpec.model_validate(json.loads(text))
        work = Path(tempfile.mkdtemp(prefix=f"lading-{job.kind}-", dir=names.work_place(os.environ)))
        pod = os.environ.get("JOB_COMPLETION_INDEX", "0")
        return int(supervise(job, store=open_store(job.store), work=work, pod=pod, around=Surroundings(asked=asked)))
    except (ValueError, ValidationError) as error:
        log.error("job.unreadable", file=arguments[0], problem=str(error))
        return int(Code.WRONG_INPUT)
    except OSError as error:
        log.error("job.unreadable", file=arguments[0], problem=str(error))
        return int(Code.STORE_UNREACHABLE if work is not None or isinstance(error, PermissionError) else Code.WRONG_INPUT)
    except LadingError as error:
        log.error(names.EVENT_ENDED, code=int(error.code), message=str(error))
        return int(error.code)
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
