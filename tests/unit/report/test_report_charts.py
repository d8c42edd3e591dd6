"""Charts draw what is there, escape what is hostile, and give up on what makes no sense."""

import base64
import math
import zlib
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.report import charts
from lading.report.evidence import blocks
from lading.report.graph import NODE_H, columns, draw, places, reduced
from lading.report.png import picture
from lading.report.svg import ticks

HOSTILE = "<script>alert(1)</script>\"'&"


def test_curves_name_their_series() -> None:
    """Each series is in the legend, escaped."""
    drawn = charts.lines({HOSTILE: [(1, 2.0), (2, 1.0)]}, name=HOSTILE)

    assert drawn is not None
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


@pytest.mark.parametrize("points", [[(1.0, 1.0)], [(1.0, 0.0), (1.0, 0.0)], [(0.0, 1e308), (1.0, -1e308)], [(0.0, 5e-324), (1.0, 0.0)]])
def test_curves_of_odd_numbers_are_drawn(points: list[tuple[float, float]]) -> None:
    """One point, a flat line and the ends of what a double holds do not fail."""
    assert charts.lines({"a": points}, name="odd") is not None


def test_nothing_to_draw_is_nothing() -> None:
    """No points, no chart."""
    assert charts.lines({"a": []}, name="empty") is None
    assert charts.bars([], name="empty") is None
    assert charts.reliability({"a": []}) is None


@pytest.mark.parametrize("matrix", [[], [[1]], [[1, 2], [3]], [[0] * 41] * 41])
def test_a_matrix_that_is_none_is_not_drawn(matrix: list[list[int]]) -> None:
    """Ragged, too small or too large matrices are left out."""
    assert charts.confusion(matrix, []) is None


def test_a_matrix_says_its_counts() -> None:
    """Truth, prediction, count and share of the row are told for each cell."""
    drawn = charts.confusion([[3, 1], [0, 4]], ["cat", HOSTILE])

    assert drawn is not None
    assert "truth cat, predicted cat: 3 (75.0%)" in drawn
    assert "<script" not in drawn


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    """An axis has at most six numbers, all within it."""
    found = ticks(low, low + span)

    assert len(found) <= 6
    assert all(low - span * 1e-3 - 1e-6 <= tick <= low + span * 1.001 + 1e-6 for tick in found)


def test_a_picture_is_a_png_of_its_size() -> None:
    """The PNG's header holds width and height, its data the pixels scaled to 0..255."""
    uri = picture([[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]])

    assert uri is not None
    data = base64.b64decode(uri.partition(",")[2])
    assert data.startswith(b"\x89PNG")
    assert (3).to_bytes(4, "big") + (2).to_bytes(4, "big") == data[16:24]
    length = int.from_bytes(data[33:37], "big")
    assert zlib.decompress(data[41 : 41 + length]) == bytes([0, 0, 128, 255, 0, 255, 128, 0])


@pytest.mark.parametrize("pixels", [None, "text", [], [[]], [[1, 2], [3]], [[math.nan]], [["a"]], {"a": 1}, 3, [[[1, 2]], [[1, 2]]]])
def test_what_is_no_picture_is_none(pixels: object) -> None:
    """Anything else than rows of numbers or colours is refused quietly."""
    assert picture(pixels) is None


def test_columns_follow_needs() -> None:
    """A stage stands right of everything that it needs, and no two stages share a place."""
    needs = {"a": [], "b": ["a"], "c": ["a", "b"], "d": [], "e": ["d", "c"]}

    found = columns(needs)
    assert found == {"a": 0, "b": 1, "c": 2, "d": 0, "e": 3}
    assert len(set(places(needs).boxes.values())) == len(needs)


NEEDS = st.lists(st.sets(st.integers(0, 7), max_size=4), min_size=1, max_size=9).map(
    lambda many: {str(i): [str(one) for one in sorted(some) if one < i] for i, some in enumerate(many)}
)


@given(needs=NEEDS)
def test_no_line_runs_behind_a_box(needs: dict[str, list[str]]) -> None:
    """Where a line passes a column it has a lane of its own, clear of the boxes; and no two things of a column overlap."""
    lines = reduced(needs)
    layout, column = places(lines), columns(needs)

    for (name, number), (_, lane) in layout.lanes.items():
        assert number > column[name]
        for other, (_, top) in layout.boxes.items():
            assert column[other] != number or not top - 4 < lane < top + NODE_H + 4
    for number in set(column.values()):
        tops = sorted(top for other, (_, top) in layout.boxes.items() if column[other] == number)
        assert all(low - high >= NODE_H for high, low in pairwise(tops))


@given(needs=NEEDS)
def test_lines_that_others_imply_are_left_out(needs: dict[str, list[str]]) -> None:
    """Who waits for whom is the same with and without them, and none of those that remain is implied."""

    def above(of: dict[str, list[str]], name: str) -> set[str]:
        return {one for need in of[name] for one in {need, *above(of, need)}}

    lines = reduced(needs)
    for name, before in lines.items():
        assert above(lines, name) == above(needs, name)
        assert not any(one in above(lines, other) for one in before for other in before)


def test_the_graph_escapes_names() -> None:
    """A hostile name is text in the picture."""
    drawn = draw({HOSTILE: {"state": HOSTILE, "line": HOSTILE, "anchor": HOSTILE}}, {HOSTILE: []})

    assert "<script" not in drawn


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=True) | st.text("ab<", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["classes", "rows", "accuracy", "confidence", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(["confusion", "reliability", "worst", "before", "after", "rows", "formats", "classes", "epochs", "median_ms"])


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(["history.json", "report.json", "calibration.json", "check.json"]), st.dictionaries(NAMES, VALUES, max_size=4))
def test_no_document_breaks_a_page(name: str, document: dict[str, object]) -> None:
    """Whatever lies in a document, its blocks can be made."""
    assert isinstance(blocks({name: document}), list)


def test_what_the_measurements_say_is_not_said_twice() -> None:
    """A list of values that the stage measured is left out; one with anything else in it stays."""
    document = {"summary": {"accuracy": 0.5, "samples": 10}, "other": {"accuracy": 0.5, "split": "test"}}

    titles = {block.title for block in blocks({"report.json": document}, {"accuracy": 0.5, "samples": 10.0, "loss": 1.0})}
    assert titles == {"other"}
    assert {block.title for block in blocks({"report.json": document})} == {"summary", "other"}


def test_columns_of_a_table_read_as_they_should() -> None:
    """A figure before its interval; a column of numbers stays one where a number is missing."""
    rows = {"before": {"high": 3.0, "low": 1.0, "value": 2.0, "db": None}, "after": {"high": 2.0, "low": 0.5, "value": 1.0, "db": 7.0}}

    (table,) = blocks({"calibration.json": {"figures": rows}})
    assert list(table.head) == ["", "db", "value", "low", "high"]
    assert table.numeric == {1, 2, 3, 4}


def test_fields_are_told_in_words() -> None:
    """Headings, heads, names and legends are words; names of files and operations stay as they are."""
    calibration = {
        "fitted_on": {"split": "calibration", "first_sample": 1},
        "figures": {"ece": {"before": {"value": 1.0}, "after_all": {"value": 2.0}}},
    }
    verify = {"operations": {"reduce_mean": 4}, "made_up": [{"max_abs": 0.5, "case": "zeros"}]}
    history = {"history": [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0}]}

    fitted, figures = blocks({"calibration.json": calibration})
    assert (fitted.title, fitted.rows) == ("Fitted on", [("split", "calibration"), ("first sample", 1)])
    assert (figures.title, figures.rows) == ("Before and after · calibration error (ECE)", [["before", 1.0], ["after all", 2.0]])
    operations, table = blocks({"verify.json": verify})
    assert operations.rows == [("reduce_mean", 4)]
    assert (table.title, list(table.head)) == ("made up", ["case", "max abs"])
    (loss,) = blocks({"history.json": history})
    assert "train loss" in str(loss.chart)
    assert "train_loss" not in str(loss.chart)


def test_no_two_parts_of_a_stage_have_one_heading() -> None:
    """The formats of a check and of its latency are told apart; what lading does not know names its document."""
    documents = {name: {"formats": {"onnx": {"score": 1.0}}, "notes": {"by": "me"}} for name in ("check.json", "latency.json")}

    assert [block.title for block in blocks(documents)] == ["Parity by format", "notes · check", "Latency by format", "notes · latency"]


def test_single_values_of_a_document_are_told() -> None:
    """How a stage came to its numbers; what is measured is not said twice, and neither is the format's name."""
    verify = {"schema": "lading/verify/v1", "verified_on": "replay", "score": 1.0, "primary_length": None, "rows": []}

    (facts,) = blocks({"verify.json": verify}, {"score": 1.0})
    assert (facts.title, facts.rows) == ("How it was verified", [("verified on", "replay")])
    assert facts.pairs


def test_what_one_asks_first_of_an_example_comes_first() -> None:
    """The truth, what was said, how sure; then the rest as it is."""
    worst = [{"a_b": 1, "confidence": 0.9, "id": "x", "label": 0, "chosen": 1}]

    (examples,) = blocks({"report.json": {"worst": worst}})
    assert [name for name, _ in examples.examples[0]["facts"]] == ["label", "chosen", "confidence", "a b", "id"]
