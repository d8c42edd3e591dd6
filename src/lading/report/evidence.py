"""What a stage kept for people, as charts, tables and examples: reads what it can make sense of, and fails on nothing.

What is drawn where it is there (every part may be missing), as the stages write it:

- `history.json`: `{"history": [{"epoch": 1, "step": 16, "train_loss": ..., "loss": ...}, ...]}`.
- `report.json`: `classes`, `confusion` (rows are the truth), `reliability` (`[{"confidence", "accuracy", "count"}]`),
  `worst` (`[{"id", "label", "chosen", "confidence", "image" | "text"}]`), `per_class` (`[{"class", "precision", ...}]`).
- `reliability.json`: `before` and `after` a calibration, of the same shape.
- `check.json`, `verify.json` and all others: every list of flat objects becomes a table, every flat object a list of values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from markupsafe import Markup

from lading.report import charts
from lading.report.png import picture
from lading.report.svg import finite
from lading.report.titles import FACTS, apart, heading_of, row_name, spoken
from lading.report.words import cell

DOCUMENTS = (
    "history.json",
    "report.json",
    "calibration.json",
    "reliability.json",
    "check.json",
    "verify.json",
    "convert.json",
    "latency.json",
)
"""The artifacts that are read for a page, of whatever stage made them."""
MAX_ROWS, MAX_EXAMPLES, MAX_TEXT = 200, 24, 600
ROOM = 60
"""Characters of a name and its value that fit into half of a page's width."""
DRAWN = {"confusion", "reliability", "worst", "schema", "classes", "before", "after"}
PAIRS = ("name", "value")
FIRST = ("value", "low", "high")
"""Columns that read best in this order: a figure, then its interval."""
SAID_FIRST = ("label", "chosen", "confidence", "loss")
"""What one asks first of an example that went wrong."""
LATENCY = "p50_ms"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a stage's evidence: a chart, a table or examples."""

    title: str
    chart: Markup | None = None
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    examples: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    wide: bool = False

    @property
    def pairs(self) -> bool:
        """Whether it is a list of names and values, which needs no head."""
        return tuple(self.head) == PAIRS

    @property
    def numeric(self) -> frozenset[int]:
        """Columns of numbers: what is missing in them stands where a number would."""
        columns = enumerate(zip(*self.rows, strict=False))
        return frozenset(i for i, cells in columns if any(c is not None for c in cells) and all(_is_number_or_none(c) for c in cells))


def blocks(documents: Mapping[str, Mapping[str, Any]], measurements: Mapping[str, float | None] | None = None) -> list[Block]:
    """Everything that can be shown of a stage's documents, by name of the document, but for tables that repeat the measurements."""
    found: list[tuple[str, Block]] = []
    told = measurements or {}
    for name, document in documents.items():
        drawn = [_history] if name == "history.json" else [_confusion, _reliability, _worst]
        made = [block for maker in drawn for block in maker(document)]
        if name != "history.json":
            made += [*_facts(name, document, told), *_tables(name, document)]
        found += [(name, block) for block in made if not _repeats(block, told)]
    headings = apart([(name, block.title) for name, block in found])
    named = [replace(block, title=heading) for (_, block), heading in zip(found, headings, strict=True)]
    return sorted(named, key=lambda block: block.wide)


def _repeats(block: Block, measurements: Mapping[str, float | None]) -> bool:
    """Whether all that a list of names and values says is said by the stage's measurements."""
    told = {spoken(name): value for name, value in measurements.items()}
    pairs = [(str(name), value) for name, value in block.rows] if block.pairs else []
    return bool(pairs) and all(name in told and told[name] == value for name, value in pairs)


def _facts(name: str, document: Mapping[str, Any], measurements: Mapping[str, float | None]) -> Iterator[Block]:
    """The single values of a document, but for those that are measured."""
    skipped = {"schema", *(field for field, value in document.items() if field in measurements and measurements[field] == value)}
    plain = [(spoken(field), value) for field, value in document.items() if _is_plain(value) and value is not None and field not in skipped]
    if name in FACTS and plain:
        yield Block(FACTS[name], head=PAIRS, rows=plain[:MAX_ROWS])


def _history(document: Mapping[str, Any]) -> Iterator[Block]:
    """Curves, losses apart from the rest: they have other scales."""
    series = {spoken(name): points for name, points in _series(document).items()}
    losses = {name: points for name, points in series.items() if "loss" in name}
    rates = {name: points for name, points in series.items() if name in {"lr", "learning rate"} or name.endswith(" lr")}
    others = {name: points for name, points in series.items() if name not in losses and name not in rates and "seconds" not in name}
    for title, some in (("Loss", losses), ("Metrics", others), ("Learning rate", rates)):
        if (chart := charts.lines(some, name=title)) is not None:
            yield Block(title, chart=chart)


def _series(document: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Name to points."""
    rows = document.get("history")
    found: dict[str, list[tuple[float, float]]] = {}
    for i, row in enumerate(rows if isinstance(rows, list) else ()):
        if not isinstance(row, dict):
            continue
        x = next((number for name in ("epoch", "step") if (number := finite(row.get(name))) is not None), float(i + 1))
        for name, value in row.items():
            if name not in {"epoch", "step"} and (y := finite(value)) is not None:
                found.setdefault(str(name), []).append((x, y))
    return found


def _confusion(document: Mapping[str, Any]) -> Iterator[Block]:
    matrix, classes = document.get("confusion"), document.get("classes")
    if isinstance(matrix, list) and matrix and all(isinstance(row, list) for row in matrix):
        chart = charts.confusion(matrix, [str(one) for one in classes] if isinstance(classes, list) else [])
        if chart is not None:
            yield Block("Confusion matrix", chart=chart)


def _reliability(document: Mapping[str, Any]) -> Iterator[Block]:
    titles = {"reliability": "model", "before": "before", "after": "after"}
    curves = {title: bins for name, title in titles.items() if _is_bins(bins := document.get(name))}
    if curves and (chart := charts.reliability(curves)) is not None:
        yield Block("Reliability", chart=chart)


def _is_bins(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(one, dict) and {"confidence", "accuracy"} <= set(one) for one in value)
    )


def _worst(document: Mapping[str, Any]) -> Iterator[Block]:
    rows = document.get("worst")
    if not isinstance(rows, list):
        return
    examples = []
    for row in rows[:MAX_EXAMPLES]:
        if not isinstance(row, dict):
            continue
        text, pixels = row.get("text"), row.get("image")
        told = [name for name in (*SAID_FIRST, *row) if _is_plain(row.get(name, ...)) and name != "text"]
        facts = [(spoken(name), row[name]) for name in dict.fromkeys(told)]
        examples.append(
            {
                "picture": picture(pixels) if isinstance(pixels, list) else None,
                "text": text[:MAX_TEXT] if isinstance(text, str) else "",
                "facts": facts,
            }
        )
    if examples:
        yield Block("Worst examples", examples=examples, wide=True)


def _is_number_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _tables(document: str, fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[Block]:
    """Every list of flat objects as a table; every object of numbers as rows of names and values."""
    for name, value in fields.items():
        path = (*above, str(name))
        if name in DRAWN and not above:
            continue
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            yield from _table(heading_of(document, path), value)
        elif isinstance(value, dict) and value:
            if all(isinstance(one, dict) for one in value.values()) and any(
                _is_plain(leaf) for one in value.values() for leaf in one.values()
            ):
                yield from _table(heading_of(document, path), [{"": row_name(path, str(key)), **one} for key, one in value.items()])
            elif any(_is_plain(one) for one in value.values()):
                plain = [(row_name(path, str(key)), one) for key, one in value.items() if _is_plain(one)]
                long = any(len(f"{key}{cell(one)}") > ROOM for key, one in plain)
                yield Block(heading_of(document, path), head=PAIRS, rows=plain[:MAX_ROWS], wide=long)
            elif len(above) < 2:
                yield from _tables(document, value, path)


def _table(heading: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """A table of the plain fields; latencies as bars too."""
    head = [name for name in dict.fromkeys(name for row in rows for name in row) if any(_is_plain(row.get(name)) for row in rows)]
    head = [name for name in head if any(row.get(name) is not None for row in rows)]
    head.sort(key=lambda name: not any(isinstance(row.get(name), str) for row in rows))  # words first: they say which row it is
    if {*FIRST} <= {*head}:
        head = [*(name for name in head if name not in FIRST), *FIRST]
    if LATENCY in head:
        pairs = [
            (" ".join(str(row.get(n)) for n in head if isinstance(row.get(n), str)), number)
            for row in rows
            if (number := finite(row.get(LATENCY))) is not None
        ]
        if (chart := charts.bars(pairs, name=f"{heading}, {spoken(LATENCY)}", unit="ms")) is not None:
            yield Block("Latency", chart=chart)
    if head:
        body = [[row.get(name) if _is_plain(row.get(name)) else "…" for name in head] for row in rows[:MAX_ROWS]]
        yield Block(heading, head=[spoken(str(name)) for name in head], rows=body, wide=len(head) > 4)
