"""lading runner: pulls work from a store."""

import signal
import threading
from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import clean, say
from lading.cli.places import store_for
from lading.logs import configure


def command(
    store: options.StoreOption = None,
    platform: Annotated[
        list[str] | None,
        typer.Option("--platform", metavar="macos|any", help="Whose tickets; repeatable.", show_default="macos on a Mac, any elsewhere"),
    ] = None,
    kinds: Annotated[str, typer.Option("--kinds", metavar="KIND,...", help="The kinds of stages that it takes.")] = "convert,verify",
    allow_script: Annotated[bool, typer.Option("--allow-script", help="Take script stages too: they run any command.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Do what waits now, then end.")] = False,
    poll: Annotated[float, typer.Option("--poll", metavar="SECONDS", min=0.1, max=60, help="Between two looks.")] = 5.0,
    name: Annotated[str | None, typer.Option("--name", help="What it is called in the store.", show_default="host and process")] = None,
) -> None:
    """Take stages with `runner:` from a store and run them here, one at a time, until SIGTERM or Ctrl-C."""
    from lading.backends.local import LocalBackend
    from lading.runner import announce, rules
    from lading.runner.loop import Runner
    from lading.store.opening import open_store

    place = store_for(store)
    chosen = rules.make(
        platforms=platform or (), kinds=[kind.strip() for kind in kinds.split(",") if kind.strip()], allow_script=allow_script
    )
    called = rules.check_name(name) if name else announce.default_name()
    configure(json=False, level="warning")
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # the second one ends at once

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)

    def tell(text: str) -> None:
        say(f"{called}  {clean(text)}")

    backend = LocalBackend(place.uri)
    tell(f"takes {', '.join(chosen.kinds)} for {', '.join(chosen.platforms)} from {place.uri}")
    try:
        with announce.Announcement(open_store(place.uri), called, chosen) as announcement:
            runner = Runner(
                place,
                called,
                chosen,
                backend,
                announcement,
                stop=stop,
                say=tell,
                poll_s=poll,
                before=lambda: announce.predecessors(place, wait=stop.wait, say=tell),
            )
            runner.run(once=once)
    finally:
        backend.close()
    tell("ends" if stop.is_set() else "nothing more waits")
