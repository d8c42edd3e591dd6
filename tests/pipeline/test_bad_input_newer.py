"""An older lading that meets what a newer one wrote: it says to upgrade, decides nothing over it, and leaves it as it is."""

import contextlib
import io
import shutil
from pathlib import Path

import pytest

from lading.attempt import tickets
from lading.attempt.tickets import Ticket
from lading.cli import app
from lading.config.resources import Resources
from lading.manifest.champion import Champion
from lading.plan.job import JobSpec
from lading.runner.rules import Rules
from lading.store.directory import DirectoryStore
from support.results import KEY, make_manifest

PIPELINE = """
pipeline: p
retrain: {time: {every: 24h, stage: a}}
stages:
  a: {kind: script, settings: {command: ["true"]}}
"""


def call(*line: str) -> tuple[int, str, str]:
    """The command line, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        app.main(list(line))
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one run, of this lading."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "p.yaml").write_text(PIPELINE)
    assert call("run", str(folder / "p.yaml"), "--store", str(folder / "store"), "--run", "r1")[0] == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_STORE", str(tmp_path / "store"))
    return tmp_path


def newer(pattern: str, sort: str) -> Path:
    """Makes one document of the store a newer lading's: another version, and a field that nobody here knows."""
    place = next(Path("store").glob(pattern))
    text = place.read_text()
    place.chmod(0o644)
    new = text.replace(f"lading/{sort}/v1", f"lading/{sort}/v2")
    place.write_text(new if sort == "job" else new.replace("{", '{"what_is_this":1,', 1))
    assert place.read_text() != text
    return place


@pytest.mark.parametrize(
    ("pattern", "sort", "gone", "line"),
    [
        ("runs/r1/run.json", "run", (), ["status", "r1"]),
        ("runs/r1/run.json", "run", (), ["run", "p.yaml", "--run", "r1"]),
        ("runs/r1/plan.json", "plan", ("runs/r1/run.json",), ["status", "r1"]),
        ("runs/r1/plan.json", "plan", ("runs/r1/run.json",), ["run", "p.yaml", "--run", "r1"]),
        ("runs/r1/progress.json", "run-progress", ("runs/r1/run.json",), ["status", "r1"]),
        ("attempts/script/*/1/claim.json", "claim", ("manifests",), ["run", "p.yaml"]),
        ("attempts/script/*/1/outcome-0.json", "outcome", ("manifests",), ["run", "p.yaml"]),
        ("manifests/script/*/1.json", "manifest", (), ["plan", "p.yaml"]),
    ],
)
def test_a_document_of_a_newer_lading_is_told_as_that(
    folder: Path, pattern: str, sort: str, gone: tuple[str, ...], line: list[str]
) -> None:
    """Exit code 2, the document, who wrote it, and to upgrade; it is left as it is."""
    place = newer(pattern, sort)
    for one in gone:
        path = Path("store", one)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    text = place.read_text()

    code, out, err = call(*line)
    assert code == 2, out + err
    name = place.relative_to("store").as_posix()
    assert f"{name} in {folder}/store is refused: it was made by a newer lading (lading/{sort}/v2)" in err
    assert "upgrade lading here: pip install --upgrade lading" in err
    assert place.read_text() == text


def test_a_decision_of_a_newer_lading(folder: Path) -> None:
    """A check that can't read what was decided before decides nothing."""
    assert call("retrain", "check", "p.yaml", "--tick", "t1")[0] == 0
    newer("retrain/p/t1.json", "decision")

    code, out, err = call("retrain", "check", "p.yaml", "--tick", "t2")
    assert code == 2, out
    assert "it was made by a newer lading (lading/decision/v2)" in err
    assert "upgrade lading here" in err
    assert not Path("store/retrain/p/t2.json").exists()


def test_a_champion_of_a_newer_lading(folder: Path) -> None:
    """Neither shown nor rolled back over."""
    manifest = make_manifest({"a": b"a"})
    champion = Champion(model="m", alias="production", n=1, act="promote", bundle=manifest.ref(1), run="r1", nonce="n")
    DirectoryStore("store").write("champions/m/production/1.json", champion.to_bytes())
    newer("champions/m/production/1.json", "champion")

    for line in (["champion", "m"], ["champion", "m", "--rollback"]):
        code, out, err = call(*line)
        assert code == 2, out
        assert "it was made by a newer lading (lading/champion/v2)" in err
        assert "upgrade lading here" in err
    assert [place.name for place in Path("store/champions/m/production").iterdir()] == ["1.json"]


@pytest.mark.parametrize("sort", ["ticket", "job"])
def test_a_ticket_of_a_newer_lading_is_left_to_others(folder: Path, sort: str) -> None:
    """A runner says why it leaves it, and what to do, and takes nothing; the launcher's list of what waits says so too."""
    fingerprint = Rules((), ()).fingerprint("script")
    named = {"run": "r2", "stage": "a", "kind": "script", "key": KEY, "attempt": 1, "nonce": "n", "store": "s"}
    job = JobSpec(**named, settings={}, fingerprint=fingerprint, resources=Resources())
    tickets.offer(DirectoryStore("store"), Ticket(platform="any", kind="script", key=KEY, attempt=1, job=job.to_data()))
    place = newer("tickets/any/*.json", sort)

    code, out, _ = call("runner", "--once", "--platform", "any", "--allow-script")
    assert code == 0
    assert f"leaves script/{KEY}/1: " in out
    assert f"it was made by a newer lading (lading/{sort}/v2); upgrade lading here: pip install --upgrade lading" in out
    assert place.exists()
    assert not Path("store/attempts/script", KEY, "1").exists()
    if sort == "ticket":
        assert "newer lading" in " ".join(call("runners")[1].split())
