"""verify finds what is missing or damaged, in a run's results and in all that they were made from."""

from pathlib import Path

import pytest

from lading import names
from lading.canonical import sha256_of
from lading.launch.verify import Finding, verify
from lading.manifest.handoff import commit, void
from lading.manifest.model import Artifact, Manifest, result_of
from lading.names import AttemptId
from lading.store.base import Store
from lading.store.directory import DirectoryStore

STAGES = {"train": ("train", sha256_of("train"))}


def put(store: Store, folder: Path, kind: str, *inputs: Manifest) -> Manifest:
    """A result with a big and a small artifact, of which the small one is only kept."""
    at = AttemptId(kind, sha256_of(kind), 1)
    artifacts = {}
    for name, data, handed_on in (("model.bin", kind.encode() * 3_000_000, True), ("plot.svg", b"<svg/>", False)):
        (folder / name).write_bytes(data)
        digest = store.upload(at.artifacts + name, folder / name)
        artifacts[name] = Artifact(path=name, size=digest.size, sha256=digest.sha256, handed_on=handed_on)
    refs = {made.kind: made.ref(1) for made in inputs}
    made = Manifest(kind=kind, key=at.key, attempt=1, nonce=kind, inputs=refs, artifacts=artifacts, result=result_of(artifacts))
    commit(store, made, after=0)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with data and train."""
    store = DirectoryStore(tmp_path / "store")
    put(store, tmp_path, "train", put(store, tmp_path, "data"))
    return store


def wrong(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """What is not sound."""
    return [(finding.stage, finding.artifact, finding.state) for finding in findings if not finding.sound]


def test_a_sound_run_is_sound(store: Store) -> None:
    """Every artifact of every stage and of what it was made from is looked at once, in pieces, and heard of."""
    heard: list[Finding] = []
    findings = verify(store, STAGES | {"data": ("data", sha256_of("data"))}, on_finding=heard.append)

    assert [(finding.stage, finding.artifact, finding.state) for finding in findings] == [
        (stage, artifact, "sound") for stage in ("train", "data") for artifact in ("model.bin", "plot.svg")
    ]
    assert heard == findings
    assert [finding.stage for finding in verify(store, STAGES)] == ["train"] * 2 + ["train < data"] * 2


def test_flipped_bits_are_found_by_reading_alone(store: Store) -> None:
    """The same size with other bytes is damaged when read, anywhere in the file; a quick look at sizes does not see it."""
    key = AttemptId("data", sha256_of("data"), 1).artifacts + "model.bin"
    data = bytearray(store.read(key))
    data[-1] ^= 1
    store.write(key, bytes(data))

    assert wrong(verify(store, STAGES)) == [("train < data", "model.bin", "damaged")]
    assert wrong(verify(store, STAGES, deep=False)) == []


def test_cut_and_missing_artifacts_are_found_by_a_list(store: Store) -> None:
    """Another size or no object at all is found without reading, also of what is only kept."""
    prefix = AttemptId("train", sha256_of("train"), 1).artifacts
    store.write(prefix + "model.bin", store.read(prefix + "model.bin")[:-1])
    store.delete([prefix + "plot.svg"])

    assert wrong(verify(store, STAGES, deep=False)) == [("train", "model.bin", "damaged"), ("train", "plot.svg", "missing")]


def test_results_that_are_gone_voided_or_refused_are_said(store: Store) -> None:
    """A stage without a result, with a voided one, with a document that is refused, or with a lost ancestor is a finding, not a crash."""
    store.write(names.manifest("odd", sha256_of("odd"), 1), b"{}", if_absent=True)
    store.delete([names.manifest("data", sha256_of("data"), 1)])
    stages = STAGES | {"gone": ("gone", sha256_of("gone")), "odd": ("odd", sha256_of("odd"))}
    assert wrong(verify(store, stages)) == [("gone", "", "missing"), ("odd", "", "refused"), ("train < data", "", "missing")]

    void(store, "train", sha256_of("train"), n=1, reason="bad", run=None)
    assert wrong(verify(store, STAGES)) == [("train", "", "voided")]
