"""What the triggers know of the model in use: from the bundle that is its champion, back to the data."""

import json
from typing import Any

from lading import names
from lading.canonical import sha256_of
from lading.config.pipeline import Pipeline, Stage
from lading.config.retrain import Retrain
from lading.config.settings.data import DataSettings
from lading.config.settings.promote import PromoteSettings
from lading.launch.promotion import promote, rollback
from lading.manifest.model import Artifact, InputRef, Manifest, result_of
from lading.retrain.inuse import champion, place_of
from lading.retrain.triggers import Volume
from support.memory_store import MemoryStore

RETRAIN = Retrain.model_validate({"time": {"every": "24h"}, "volume": {"grows_by": 0.1}})


class World:
    """A store in which results are committed at the times that a test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store = MemoryStore(clock=lambda: self.now)

    def commit(self, kind: str, name: str, at: float, inputs: dict[str, InputRef] | None = None, **numbers: float) -> InputRef:
        """A result of a kind; its name makes its key."""
        self.now = at
        made = {"made": Artifact(path="made", size=1, sha256=sha256_of(name))}
        manifest = Manifest(
            kind=kind,
            key=sha256_of([kind, name]),
            attempt=1,
            nonce=name,
            inputs=inputs or {},
            measurements=numbers,
            artifacts=made,
            result=result_of(made),
        )
        self.store.write(names.manifest(kind, manifest.key, 1), manifest.to_bytes())
        return manifest.ref(1)

    def bundle(self, name: str, at: float, *, size: int = 100) -> InputRef:
        """Data at `at`, a model ten seconds later, a bundle of it ten seconds after that."""
        data = self.commit("data", name, at, source_files=1, source_bytes=size)
        model = self.commit("train", name, at + 10, {"data": data})
        return self.commit("bundle", name, at + 20, {"model": model})

    def seen(self, **stages: Stage) -> Any:
        """What a check of pipeline `digits` finds."""
        return champion(self.store, pipeline(**stages), RETRAIN)


def pipeline(**stages: Stage) -> Pipeline:
    """A pipeline with a data stage."""
    data = Stage(name="data", kind="data", settings=DataSettings())
    return Pipeline(pipeline="digits", stages={"data": data, **stages})


def test_the_model_in_use_is_as_old_as_its_data_and_saw_what_that_read() -> None:
    """Not as old as its promotion, which may come weeks later."""
    w = World()
    promote(w.store, w.bundle("a", 1000.0), model="digits", seen=0, run="run-a")

    found = w.seen()

    assert (found.at, found.run, found.volumes) == (1000.0, "run-a", {"data": Volume(files=1, bytes=100)})
    assert "digits/production, entry 1, of run run-a" in found.who


def test_nothing_in_use_is_nothing_known() -> None:
    """Without a champion, and with one under another name, there is nothing to compare with."""
    w = World()
    assert w.seen() is None
    promote(w.store, w.bundle("a", 1000.0), model="another", seen=0, run="run-a")
    assert w.seen() is None


def test_a_rollback_brings_the_older_data_back() -> None:
    """The bundle that is in use again counts with the data of then, and with the run that made it."""
    w = World()
    promote(w.store, w.bundle("a", 1000.0, size=7), model="digits", seen=0, run="run-a")
    promote(w.store, w.bundle("b", 2000.0, size=9), model="digits", seen=1, run="run-b")
    assert (w.seen().at, w.seen().run) == (2000.0, "run-b")

    rollback(w.store, model="digits", run="rollback")

    assert (w.seen().at, w.seen().run, w.seen().volumes["data"].bytes) == (1000.0, "run-a", 7)


def test_of_several_data_stages_the_run_says_which() -> None:
    """Two results of the kind: the one whose key the run had for the stage; where the run is gone, the bundle's age and no volume."""
    w = World()
    one = w.commit("data", "train-set", 500.0, source_files=1, source_bytes=11)
    other = w.commit("data", "test-set", 400.0, source_files=1, source_bytes=22)
    bundle = w.commit("bundle", "b", 900.0, {"model": w.commit("train", "m", 600.0, {"data": one}), "report": other})
    promote(w.store, bundle, model="digits", seen=0, run="run-a")

    assert (w.seen().at, w.seen().volumes) == (900.0, {})

    record = {"run": "run-a", "stages": {"data": {"kind": "data", "key": other.key}}}
    w.store.write(names.RunPlaces("run-a").end, json.dumps(record).encode())
    assert (w.seen().at, w.seen().volumes["data"].bytes) == (400.0, 22)


def test_what_is_gone_or_broken_is_not_followed() -> None:
    """The bundle is kept for its champion; an ancestor that gc took away, or that is refused, costs knowledge, and no error."""
    w = World()
    promote(w.store, w.bundle("a", 1000.0), model="digits", seen=0, run="run-a")
    (train,) = (key for key in w.store.objects if key.startswith("manifests/train/"))
    w.store.write(train, b"{}")
    assert (w.seen().at, w.seen().volumes) == (1020.0, {})
    w.store.delete([train])
    assert (w.seen().at, w.seen().volumes) == (1020.0, {})
    w.store.delete([key for key in w.store.objects if key.startswith("manifests/bundle/")])
    assert w.seen() is None


def test_the_champion_is_the_one_that_the_pipeline_promotes_to_unless_one_is_named() -> None:
    """A promote stage says which; of several none does; `retrain.champion` has the last word."""
    one = Stage(name="promote", kind="promote", settings=PromoteSettings(model="mnist", alias="staging"))
    two = Stage(name="again", kind="promote", settings=PromoteSettings(model="mnist"))
    named = Retrain.model_validate({"time": {"every": "1h"}, "champion": {"alias": "canary"}})

    assert place_of(pipeline(), RETRAIN) == ("digits", "production")
    assert place_of(pipeline(promote=one), RETRAIN) == ("mnist", "staging")
    assert place_of(pipeline(promote=one, again=two), RETRAIN) == ("digits", "production")
    assert place_of(pipeline(promote=one), named) == ("digits", "canary")
