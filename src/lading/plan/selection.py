"""Which stages of a pipeline are asked for: what --force, --only and --until say, as one value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lading.config.pipeline import Pipeline
from lading.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of stages; without any, the whole pipeline."""

    force: frozenset[str] = frozenset()
    """Made again though their result is there."""
    only: frozenset[str] = frozenset()
    """Alone to be run; the others must be there already where they are needed."""
    until: str | None = None
    """The last stage to run, with all that it needs."""

    @classmethod
    def of(cls, force: Iterable[str] | None = None, only: Iterable[str] | None = None, until: str | None = None) -> "Selection":
        """As a person or a document says it."""
        return cls(frozenset(force or ()), frozenset(only or ()), until)

    @property
    def options(self) -> Mapping[str, list[str]]:
        """Each option to the stages that it names, as on a command line."""
        return {"--force": sorted(self.force), "--only": sorted(self.only), "--until": [self.until] if self.until else []}

    def stages(self, pipeline: Pipeline) -> frozenset[str]:
        """The stages that may run.

        Raises:
            NotFoundError: one that was named does not exist.
        """
        for name in (name for names in self.options.values() for name in names):
            if name not in pipeline.stages:
                raise NotFoundError(f"the pipeline has no stage {name!r}", do=f"it has: {', '.join(pipeline.stages)}")
        chosen = with_needs(pipeline, [self.until]) if self.until else set(pipeline.stages)
        return frozenset(chosen & self.only if self.only else chosen)


ALL = Selection()


def with_needs(pipeline: Pipeline, names: Iterable[str]) -> set[str]:
    """Stages and all that they are made from."""
    chosen, todo = set[str](), list(names)
    while todo:
        name = todo.pop()
        if name not in chosen:
            chosen.add(name)
            todo += pipeline.stages[name].needs.values()
    return chosen
