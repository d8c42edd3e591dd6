"""lading as a library: `run = lading.load("digits.yaml").run()`, then `run["train"].measurements`.

Works in a notebook: nothing needs an event loop or a `__main__` guard, and an interrupt stops what was started.
"""

import contextlib
import difflib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lading.config.commands import follow_up
from lading.config.pipeline import Pipeline as PipelineFile
from lading.driving import Record, drive, write_page
from lading.errors import CancelledError, GateFailedError, LadingError, NoSuchStageError, StageFailedError
from lading.ledger.documents import record_of, verdict_of
from lading.plan.selection import Selection
from lading.results import StageResult
from lading.store.base import Store


def open_store_for(pipeline: PipelineFile | None, uri: Path | str | None) -> Store:
    """The store that the argument, LADING_STORE, the pipeline or the default names.

    Raises:
        UserError: it can be none.
    """
    from lading.store.opening import open_chosen

    return open_chosen(pipeline, str(uri) if uri else None, os.environ)


def _several(names: Sequence[str] | str) -> tuple[str, ...]:
    """One name that was given as it is means a list of one."""
    return (names,) if isinstance(names, str) else tuple(names)


def _selection(force: Sequence[str] | str, only: Sequence[str] | str, until: str | None) -> Selection:
    return Selection.of(_several(force), _several(only), until)


def load(path: Path | str, *, overrides: Sequence[str] | str = ()) -> "Pipeline":
    """The pipeline in a file.

    Args:
        path: of the file.
        overrides: `stages.train.settings.epochs=3`, each.

    Raises:
        ConfigError: all that is wrong with it.
    """
    return Pipeline.load(path, overrides=overrides)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline to plan and to run."""

    file: PipelineFile

    @classmethod
    def load(cls, path: Path | str, *, overrides: Sequence[str] | str = ()) -> "Pipeline":
        """The pipeline in a file; see `lading.load`."""
        from lading.config.loader import load as load_file

        return cls(load_file(path, overrides=_several(overrides)))

    @classmethod
    def from_data(cls, data: dict[str, Any], *, folder: Path | str = ".") -> "Pipeline":
        """The pipeline in a dict of the form of a file."""
        from lading.config.loader import from_data

        return cls(from_data(data, folder=Path(folder)))

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.file.pipeline

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of its stages, needs first."""
        return tuple(self.file.stages)

    def plan(
        self,
        *,
        store: Path | str | None = None,
        force: Sequence[str] | str = (),
        only: Sequence[str] | str = (),
        until: str | None = None,
    ) -> Any:
        """What a run would do, and why; writes nothing."""
        from lading.plan.build import build

        place = open_store_for(self.file, store)
        return build(self.file, place, selection=_selection(force, only, until))

    def run(
        self,
        *,
        store: Path | str | None = None,
        run: str | None = None,
        force: Sequence[str] | str = (),
        only: Sequence[str] | str = (),
        until: str | None = None,
        check: bool = True,
        progress: bool = True,
    ) -> "Run":
        """Runs it here to its end.

        Args:
            store: a folder or s3://bucket/prefix; by default LADING_STORE, the pipeline's own, `.lading`.
            run: an id, to go on with that run.
            force: stages that are made again.
            only: stages that alone are run.
            until: the stage to run up to.
            check: raise when it did not succeed; otherwise look at `.state`.
            progress: show how it goes: below the cell in a notebook, else on stderr.

        Raises:
            StageFailedError: a stage failed.
            GateFailedError: a `must` gate does not hold.
            CancelledError: it was interrupted or cancelled.
        """
        place = open_store_for(self.file, store)
        from lading.cli.live import Show

        show = Show(stream=sys.stderr, store=place.uri)
        on_tick = show.update if progress else lambda _: None
        try:
            record = drive(self.file, place, run=run, selection=_selection(force, only, until), on_tick=on_tick)
            show.finish(record)
        finally:
            show.close()
        write_page(place, record)
        finished = Run(place, record)
        if check:
            finished.check()
        return finished

    def _repr_html_(self) -> str:
        from lading.report.snippet import pipeline_html

        return pipeline_html(self.file.to_data())


class Run(Mapping[str, StageResult]):
    """A run: its stages by name."""

    def __init__(self, store: Store, record: Record) -> None:
        self.store, self.record = store, record

    @classmethod
    def open(cls, run: str = "last", *, store: Path | str | None = None) -> "Run":
        """A run that is in the store already, by its id, the beginning of one, or `last`."""
        from lading.ledger.runs import find_run

        place = open_store_for(None, store)
        return cls(place, record_of(place, find_run(place, run)))

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.record["run"])

    @property
    def state(self) -> str:
        """How it ended."""
        return str(self.record.get("state", ""))

    def check(self) -> "Run":
        """Itself, if it succeeded.

        Raises:
            StageFailedError: a stage failed.
            GateFailedError: a `must` gate does not hold.
            CancelledError: it was cancelled.
            LadingError: it has not ended.
        """
        if self.state == "cancelled":
            raise CancelledError(f"run {self.id} was cancelled", do="the same call again goes on where it stopped")
        for stage in self.values():
            if stage.state == "failed":
                verdict = verdict_of(self.store, stage.record) or {}
                why = verdict.get("message") or stage.record.get("reason") or "no cause is known"
                raise StageFailedError(
                    f"{stage.name} failed in run {self.id}: {why}", do=follow_up(self.store.uri, "logs", self.id, stage.name)
                )
        if self.state == "gate_failed":
            broken = [f"{s.name}: {_broken(g)}" for s in self.values() for g in s.gates if g["level"] == "must" and not g["ok"]]
            raise GateFailedError(f"run {self.id}: {'; '.join(broken)}", do=follow_up(self.store.uri, "status", self.id))
        if self.state != "succeeded":
            raise LadingError(f"run {self.id} has not ended: it is {self.state}", do=follow_up(self.store.uri, "status", self.id, "--wait"))
        return self

    def __getitem__(self, name: str) -> StageResult:
        """A stage by its name.

        Raises:
            NoSuchStageError: a KeyError that names the stages there are.
        """
        stages = self.record["stages"]
        if name not in stages:
            close = difflib.get_close_matches(str(name), stages, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise NoSuchStageError(f"run {self.id} has no stage {name!r}", do=f"{hint}it has: {', '.join(stages) or 'none'}")
        return StageResult(self.store, self.id, name, stages[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.record["stages"])

    def __len__(self) -> int:
        return len(self.record["stages"])

    def to_frame(self) -> Any:
        """One row a stage: state, seconds and its measurements, as a pandas DataFrame."""
        from lading.ledger.runs import run_frame

        return run_frame(self.store, self.record)

    def report(self) -> str:
        """Writes the page again; where it is."""
        from lading.report.write import write

        return write(self.store, self.id, record=self.record)

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.state}, {len(self)} stages>"

    def _repr_html_(self) -> str:
        from lading.report.snippet import run_html

        with contextlib.suppress(LadingError):
            return run_html(self.store, self.record)
        return ""


def _broken(gate: Mapping[str, Any]) -> str:
    """A bound that does not hold, in words."""
    value = gate["value"]
    is_now = f"{value:.6g}" if value is not None else f"{gate.get('note') or 'is no number'}, and"
    return f"{gate['measurement']} {is_now} must be {gate['bound']}"
