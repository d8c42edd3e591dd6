"""The page of a run says what the store holds, and nothing in the store can break it."""

import json
import re
from pathlib import Path

import pytest

from lading import names
from lading.ledger.documents import record_of
from lading.report.write import render, write
from lading.store.directory import DirectoryStore
from support.finished_runs import make_run

HOSTILE = "<script>alert(1)</script>"
FIRST, SECOND = "20261125T090000Z-aaaa", "20261125T100000Z-bbbb"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """Two runs; the second reuses the first's data."""
    store = DirectoryStore(tmp_path / "store")
    make_run(store, FIRST, accuracy=0.966, epochs=10)
    write(store, FIRST)
    make_run(store, SECOND, hits=("data",), maker=FIRST)
    return store


def test_the_page_lies_beside_its_run(store: DirectoryStore) -> None:
    """It is written to runs/<id>/report.html, and a folder store says the file's path."""
    where = write(store, SECOND)

    assert Path(where).read_bytes() == store.read(names.RunPlaces(SECOND).report)


@pytest.mark.parametrize(
    "expected",
    [
        "digits",
        "must be &gt;= 0.95",
        "✓ holds",
        "! missed",
        "Confusion matrix",
        "Reliability",
        "Loss",
        "Latency",
        "Worst examples",
        "setting",
        "epochs",
    ],
)
def test_the_page_shows(store: DirectoryStore, expected: str) -> None:
    """Gates, charts, examples and what changed since the run before."""
    assert expected in render(store, SECOND)


def test_a_hit_links_to_the_run_that_made_it(store: DirectoryStore) -> None:
    """Every link of the page is an anchor of its own or a page that is there."""
    page = render(store, SECOND)
    links = re.findall(r'href="([^"]*)"', page)

    assert f"../{FIRST}/report.html" in links
    for link in links:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in page
        elif not link.startswith("data:"):
            assert (Path(store.uri) / "runs" / SECOND / link).exists()


def test_nothing_comes_from_outside(store: DirectoryStore) -> None:
    """No script, no address of another machine."""
    page = render(store, SECOND)

    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_run_that_goes_on_reloads(store: DirectoryStore) -> None:
    """The page of a live run refreshes itself; that of a finished one does not."""
    live = record_of(store, SECOND) | {"state": "running", "finished": ""}

    assert 'http-equiv="refresh"' in render(store, SECOND, record=live)
    assert 'http-equiv="refresh"' not in render(store, SECOND)
    left = render(store, SECOND, record=live | {"state": "interrupted", "reason": "its launcher is gone"})
    assert 'http-equiv="refresh"' not in left
    assert "its launcher is gone" in left


def test_hostile_text_is_text(store: DirectoryStore) -> None:
    """Names, reasons, warnings, settings and examples are escaped."""
    worst = [{"id": HOSTILE, "text": HOSTILE, "truth": HOSTILE}]
    files = {
        "evaluate": {
            "report.json": {"classes": [HOSTILE] * 2, "confusion": [[1, 2], [3, 4]], "worst": worst, HOSTILE: [{HOSTILE: HOSTILE}]}
        }
    }
    record = make_run(store, "20261125T110000Z-cccc", files=files)
    record["stages"][HOSTILE] = {"kind": HOSTILE, "key": HOSTILE, "state": HOSTILE, "attempt": None, "reason": HOSTILE, "gates": []}
    record["pipeline"] = HOSTILE

    assert "<script" not in render(store, record["run"], record=record)


def test_broken_documents_cost_their_own_part_alone(store: DirectoryStore) -> None:
    """An evidence file that is no JSON, and a run without a plan, still give a page."""
    make_run(store, "20261125T120000Z-dddd", files={"evaluate": {"report.json": b"\xff{"}})
    store.delete([names.RunPlaces("20261125T120000Z-dddd").plan])

    page = render(store, "20261125T120000Z-dddd")
    assert "evaluate" in page
    assert "Confusion matrix" not in page


def test_a_failed_stage_shows_its_cause(store: DirectoryStore) -> None:
    """The verdict's sentence, place and traceback are on the page, and the commands that help."""
    record = make_run(store, "20261125T130000Z-eeee", accuracy=0.5, state="failed")
    stage = record["stages"]["train"] | {"state": "failed", "attempt": 7}
    record["stages"]["train"] = stage
    verdict = {
        "message": "ValueError: no such class",
        "where": "model.py:12 in forward",
        "traceback": "Traceback ...",
        "do": "lading logs RUN STAGE",
    }
    store.write(names.AttemptId("train", stage["key"], 7).verdict, json.dumps(verdict).encode())

    page = render(store, record["run"], record=record)
    assert "ValueError: no such class" in page
    assert "model.py:12 in forward" in page
    assert f"lading debug {record['run']} train" in page
    assert "RUN STAGE" not in page


def test_headings_are_words_and_differ(store: DirectoryStore) -> None:
    """No part of a stage is headed by the name of a field, and no two alike; nothing of a table's head is one either."""
    for stage in render(store, SECOND).split('<section class="card stage"')[1:]:
        headings = re.findall(r"<h3>(.*?)</h3>", stage)
        assert len(set(headings)) == len(headings), headings
        told = [*headings, *re.findall(r"<th[^>]*>(.*?)</th>", "".join(re.findall(r"<thead>.*?</thead>", stage)))]
        assert [one for one in told if "_" in one] == []
