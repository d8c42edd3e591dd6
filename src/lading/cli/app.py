"""The command `lading`: a table of verbs, imported when chosen, and the one place where errors are shown."""

import difflib
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import typer.core
import typer.main

from lading.cli.places import CHOSEN
from lading.cli.streams import make_ready
from lading.codes import Exit
from lading.errors import CancelledError, LadingError, NotFoundError, UserError


class Verb(NamedTuple):
    """One command: the module that holds it, and the sentence that help shows."""

    module: str
    help: str
    panel: str = "Use"


LOOK = "Look at runs"
KEEP = "Keep house"

VERBS: dict[str, Verb] = {
    "init": Verb("cmd_init", "Write a pipeline file to start from."),
    "plan": Verb("cmd_plan", "Say what a run would do, and why. Writes nothing."),
    "run": Verb("cmd_run", "Run a pipeline: hits are reused, the rest is made."),
    "resolve": Verb("cmd_resolve", "Print a pipeline with its user files stored and named by digest."),
    "promote": Verb("cmd_promote", "Make a run's bundle the model in use."),
    "champion": Verb("cmd_champion", "Show the model in use, or go back to the one before."),
    "retrain": Verb("cmd_retrain", "Decide whether to train again, and launch it."),
    "runner": Verb("cmd_runner", "Pull work from the store: the Mac's side of a pipeline."),
    "render": Verb("cmd_render", "Print what `kubectl apply` takes to run a pipeline in a cluster."),
    "submit": Verb("cmd_submit", "Start a launcher in the cluster; this machine may go away."),
    "runs": Verb("cmd_runs", "List the runs in a store.", LOOK),
    "status": Verb("cmd_status", "Say how far a run is, or how it ended.", LOOK),
    "logs": Verb("cmd_logs", "Print what a stage printed.", LOOK),
    "show": Verb("cmd_show", "Print a stage's result: measurements, artifacts, provenance.", LOOK),
    "compare": Verb("cmd_compare", "Set two runs side by side.", LOOK),
    "report": Verb("cmd_report", "Write a run's page again, and say where it is.", LOOK),
    "pull": Verb("cmd_pull", "Download an artifact, its checksum checked.", LOOK),
    "runners": Verb("cmd_runners", "Say which runners are alive, and what waits for one.", LOOK),
    "debug": Verb("cmd_debug", "Run one stage of a run here, on the very same inputs.", LOOK),
    "cancel": Verb("cmd_cancel", "Stop a run.", KEEP),
    "verify": Verb("cmd_verify", "Check that what a run made is still there, byte for byte.", KEEP),
    "gc": Verb("cmd_gc", "Delete what no run needs any more.", KEEP),
    "doctor": Verb("cmd_doctor", "Say whether this machine and this store can do the work.", KEEP),
    "explain": Verb("cmd_explain", "Say what an exit code means.", KEEP),
    "schema": Verb("cmd_schema", "Print the JSON Schema of a pipeline or a manifest.", KEEP),
}


def _there(verb: Verb) -> bool:
    """Whether the verb's module is part of this installation."""
    return (Path(__file__).parent / f"{verb.module}.py").exists()


_UsageError: Any = typer.BadParameter.__base__
"""What the parser raises; typer keeps a click of its own, and does not name it."""
_SHOWS_HELP = "NoArgsIsHelpError"


def _usage(error: Any) -> UserError:
    """The parser's complaint as an error of ours."""
    told = str(error.format_message())
    if option := getattr(error, "option_name", ""):
        near = sorted(getattr(error, "possibilities", None) or ())
        told = f"there is no option {option}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    path = error.ctx.command_path if error.ctx else "lading"
    return UserError(told[:1].lower() + told[1:].rstrip("."), do=f"{path} -h says what it takes")


class LazyGroup(typer.core.TyperGroup):
    """Imports the module of a command only when that command is asked for; what the parser refuses is shown like any other error."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parses what stands before the verb."""
        try:
            return super().make_context(*args, **options)
        except _UsageError as error:
            if type(error).__name__ == _SHOWS_HELP:
                raise
            raise _usage(error) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb's command.

        Raises:
            NotFoundError: there is no such verb; with the nearest.
        """
        if args and self.get_command(ctx, args[0]) is None:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f"did you mean 'lading {close[0]}'? " if close else ""
            raise NotFoundError(f"lading has no command {args[0]!r}", do=f"{hint}lading -h lists what there is")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs, in the order of the table."""
        return [name for name, verb in VERBS.items() if _there(verb)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        """The command of a verb, imported now; none where there is no such verb."""
        verb = VERBS.get(cmd_name)
        if verb is None or not _there(verb):
            return None
        module = import_module(f"lading.cli.{verb.module}")
        group = getattr(module, "app", None)
        command = typer.main.get_command(group or _single(cmd_name, verb, module.command))
        if group is not None:  # typer names no group that it does not know as a part of another
            command.name, command.short_help = cmd_name, verb.help
            command.rich_help_panel = verb.panel  # type: ignore[attr-defined]
        return command

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; Ctrl-C, and what its parser refuses, become errors of ours, shown like the others."""
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            if type(error).__name__ == _SHOWS_HELP:
                raise
            raise _usage(error) from None
        except KeyboardInterrupt:
            raise CancelledError("stopped by Ctrl-C") from None
        except BrokenPipeError:  # before typer makes it 1, which is a stage that failed
            raise SystemExit(int(Exit.PIPE_CLOSED)) from None


def _single(name: str, verb: Verb, function: Any) -> typer.Typer:
    """A one-command application."""
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})
    one.command(name, help=function.__doc__ or verb.help, short_help=verb.help, rich_help_panel=verb.panel, no_args_is_help=False)(function)
    return one


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from lading import __version__

        sys.stdout.write(f"lading {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; goes anywhere on the line.")] = False,
) -> None:
    """Takes a PyTorch model from data to a phone, as batch jobs that hand each other checked manifests.

    Start with: lading init --preset digits, then lading run digits.yaml
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: runs a verb and ends the process with its exit code; a user's mistake never shows a traceback."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in line or bool(os.environ.get("LADING_DEBUG"))
    # What imports and a plan make stays: to look through it again and again is a tenth of a short command.
    gc.set_threshold(100_000, 50, 50)
    CHOSEN.set("")
    make_ready()
    # SIGPIPE stays ignored: a server that closes a connection would end the process with it.
    try:
        app([part for part in line if part != "--debug"], prog_name="lading")
    except LadingError as error:
        sys.exit(_show(error, debug=debug, as_json="--json" in line))
    except KeyboardInterrupt:
        sys.exit(int(Exit.INTERRUPTED))
    except BrokenPipeError:
        sys.exit(int(Exit.PIPE_CLOSED))
    except Exception as error:  # noqa: BLE001 - the last door: whatever else comes is a bug of ours
        sys.exit(_show_bug(error, debug=debug))
    finally:
        _let_go_of_stdout()
        gc.freeze()  # or the interpreter looks through all of it once more before it ends


def _let_go_of_stdout() -> None:
    """Where nobody reads any more (`lading logs ... | head`), the end is quiet."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _show(error: LadingError, *, debug: bool, as_json: bool) -> int:
    """Writes what went wrong and what to do to stderr; with --json, as the one document on stdout too."""
    from lading.cli.output import complain, print_json
    from lading.config.commands import completed

    if debug:
        traceback.print_exception(error, file=sys.stderr)
    do = completed(error.do, store) if (store := CHOSEN.get()) else error.do
    complain(error.message, do=do)
    if as_json:
        print_json({"error": {"message": error.message, "do": do, "exit": int(error.exit)}})
    return int(error.exit)


def _show_bug(error: Exception, *, debug: bool) -> int:
    """Writes an error that lading did not foresee."""
    from lading.cli.output import complain

    if debug:
        traceback.print_exception(error, file=sys.stderr)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    complain(
        f"{type(error).__name__}{where}: {str(error)[:500] or 'no message'}\nthis is a bug in lading, not a mistake of yours",
        do="" if debug else "the same command with --debug shows the traceback; please report it with that",
    )
    return int(Exit.STAGE_FAILED)
