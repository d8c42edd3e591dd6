"""Training states on their way: a thread of the supervisor stores each one that the stage finished."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from lading.attempt.checkpoints import rotate, upload
from lading.errors import LadingError
from lading.logs import get_logger
from lading.names import AttemptId
from lading.store.base import Store

EVERY_S = 0.5
log = get_logger()


class States:
    """Stores `checkpoints/<step>/` folders as they appear, newest last, and deletes older ones here once a newer one is stored.

    Args:
        store: used in this thread alone.
        attempt: whose states they are.
        folder: where the stage puts them: whole ones are named by their step.
        known: a step that lay there from the start, and is stored already.
        stored: called with each step that is whole on this pod's part.
    """

    def __init__(
        self, store: Store, attempt: AttemptId, folder: Path, *, pod: int, pods: int, known: int | None, stored: Callable[[int], object]
    ) -> None:
        self._store, self._attempt, self._folder = store, attempt, folder
        self._pod, self._pods, self._stored = pod, pods, stored
        self._done = -1 if known is None else known
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="states", daemon=True)

    def __enter__(self) -> "States":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(EVERY_S):
            self._pass()
        self._pass()  # what the stage saved last: on SIGTERM the one that counts

    def _pass(self) -> None:
        steps = sorted(int(place.name) for place in self._folder.iterdir() if place.name.isdigit())
        new = [step for step in steps if step > self._done]
        for step in new[-1:]:
            try:
                upload(self._store, self._attempt, step, self._folder / str(step), part=self._pod, parts=self._pods)
                if self._pod == 0:
                    rotate(self._store, self._attempt)
            except (LadingError, OSError, ValueError) as error:
                log.warning("state.not_stored", step=step, problem=str(error))
                return
            self._done = step
            self._stored(step)
            for old in (other for other in steps if other < step):
                shutil.rmtree(self._folder / str(old), ignore_errors=True)
