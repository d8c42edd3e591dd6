"""lading logs: what a stage printed."""

import sys
import time
from typing import Annotated, Any

import typer

from lading import names
from lading.cli import options
from lading.cli.cmd_status import ENDS, Waiting, view
from lading.cli.output import paint
from lading.cli.places import find_run, find_stage, store_for
from lading.config.commands import follow_up
from lading.errors import LauncherGoneError, NotFoundError
from lading.ledger.documents import MADE
from lading.store.base import Store

CHUNK = 1 << 20


def command(
    run: options.Run,
    stage: options.StageName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the stage ends.")] = False,
    pod: Annotated[str, typer.Option("--pod", help="Of a training on several nodes: which.")] = "0",
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Which try.", show_default="the last")] = None,
    store: options.StoreOption = None,
) -> None:
    """Print what a stage printed; with -f as it goes on."""
    from lading.launch.record import ENDED
    from lading.launch.waiting import goes_on

    place = store_for(store)
    found = find_run(place, run)
    reader, last, waiting = Reader(place), None, Waiting(place, found)
    while True:
        record = view(place, found)
        one = find_stage(record, stage)
        identity = _attempt(place, one, attempt)
        over = one.get("state") in ENDED or record["state"] in ENDS
        printed = False
        for each in since(last, identity):
            if each != last:
                _tell(stage, each.number, asked=attempt)
            printed = reader.more(each.log(pod))
        last = identity or last
        if not follow or over:
            break
        if not printed:
            if waiting.in_vain(record) and not goes_on(place, identity):
                raise LauncherGoneError(f"run {found} is interrupted: {record['reason']}")
            time.sleep(1)
    if not reader.seen and one.get("state") in MADE:
        sys.stderr.write(f"{stage} printed nothing\n")
    elif not reader.seen:
        raise NotFoundError(f"{stage} left no log in run {found}: it is {one.get('state')}", do=follow_up(place.uri, "status", found))


def _tell(stage: str, number: int, *, asked: int | None) -> None:
    """On stderr, which of several attempts follows, so that their lines are told apart; a first attempt needs no word."""
    if number > 1 and asked is None:
        complete = f"--- {stage}, attempt {number}; --attempt {number - 1} shows the one before"
        sys.stderr.write(paint(complete, "dim") + "\n")
        sys.stderr.flush()


def since(last: names.AttemptId | None, now: names.AttemptId | None) -> list[names.AttemptId]:
    """What to read at a look: the attempt that goes on, and before it what was not seen of those since the last look. How an attempt
    ended is the last that it printed, and the next one begins at once."""
    if now is None or last is None or last == now:
        return [now] if now else []
    if (last.kind, last.key) != (now.kind, now.key):
        return [last, now]
    return [names.AttemptId(now.kind, now.key, number) for number in range(last.number, now.number + 1)]


def _attempt(store: Store, stage: dict[str, Any], asked: int | None) -> names.AttemptId | None:
    """The attempt to read: the one asked for, the record's own, or the newest there is."""
    kind, key = stage.get("kind"), stage.get("key")
    if not kind or not key:
        return None
    number = asked or stage.get("attempt")
    if number is None:
        from lading.attempt.observe import attempts

        number = max(attempts(store, kind, key), default=None)
    return None if number is None else names.AttemptId(kind, key, int(number))


class Reader:
    """Prints the chunks of a log, each byte once, in pieces of bounded size."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, int] = {}

    @property
    def seen(self) -> bool:
        """Whether there was anything to print."""
        return bool(self._read)

    def more(self, prefix: str) -> bool:
        """Prints what is new under a prefix; whether anything was."""
        printed = False
        for stat in self._store.list(prefix):
            start = self._read.setdefault(stat.key, 0)
            while start < stat.size:
                data = self._store.read(stat.key, start=start, limit=min(CHUNK, stat.size - start))
                if not data:
                    break
                sys.stdout.buffer.write(data)
                start = self._read[stat.key] = start + len(data)
                printed = True
        sys.stdout.flush()
        return printed
