"""torchrun, which also leaves in the working folder how a process ended that could not say so itself.

torchrun ends with 1 whatever became of its processes: which of them was killed, and by what, only its exception knows.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from lading.stages import ending


def main(argv: list[str]) -> int:
    """Runs torchrun's command line, whose last argument is the working folder; 1 if a process failed."""
    try:
        run.run(run.parse_args(argv))
    except ChildFailedError as error:
        leave(Path(argv[-1]), {rank: failure.exitcode for rank, failure in error.failures.items()})
        return 1
    return 0


def leave(work: Path, statuses: Mapping[int, int]) -> None:
    """Leaves an outcome for every process that a signal ended.

    Args:
        work: the working folder.
        statuses: of the processes that failed, by rank, as subprocess has them: below zero the signal.
    """
    for rank, status in statuses.items():
        if status < 0 and not (place := ending.place_in(work, rank)).exists():
            place.write_text(json.dumps(ending.of_signal(-status, rank).to_data()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
