"""The charts of a page: curves, bars, a confusion matrix, a reliability diagram."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lading.report.svg import SERIES, WIDTH, Axes, dot, finite, frame, hint, label, legend, polyline, text

MAX_CELLS = 40
"""A confusion matrix of more classes is not drawn: its cells could not be read."""
HEAD = 24
"""Above a confusion matrix."""


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, name: str, x: str = "epoch", y: str = "") -> Markup | None:
    """Curves over a common axis, with a legend; none where there is nothing to draw."""
    drawn = {title: list(points) for title, points in series.items() if points}
    drawn = dict(list(drawn.items())[: len(SERIES)])
    every = [point for points in drawn.values() for point in points]
    if not every:
        return None
    low, high = min(point[1] for point in every), max(point[1] for point in every)
    pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    axes = Axes((min(point[0] for point in every), max(point[0] for point in every)), (low - pad, high + pad))
    body = [axes.grid(x, y)]
    for colour, (title, points) in zip(SERIES, drawn.items(), strict=False):
        places = [(axes.x(a), axes.y(b)) for a, b in points]
        body.append(polyline(places, colour, told=title) if len(places) > 1 else dot(*places[0], 3, colour, told=title))
    return frame("".join(body), name=name) + legend(list(drawn))


def bars(rows: Iterable[tuple[str, float]], *, name: str, unit: str = "") -> Markup | None:
    """Horizontal bars with their numbers."""
    drawn = [(title, value) for title, value in rows if value >= 0][:24]
    if not drawn:
        return None
    most = max(value for _, value in drawn) or 1
    left = 20 + 6.2 * min(24, max(len(title) for title, _ in drawn))
    parts = []
    for i, (title, value) in enumerate(drawn):
        y = 6 + i * 24
        length = max(1.0, (WIDTH - left - 80) * value / most)
        parts.append(text(left - 8, y + 12, title[:24], anchor="end"))
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{length:.1f}" height="16" rx="3" fill="var(--s1)"/>')
        parts.append(text(left + length + 6, y + 12, f"{label(value)} {unit}", css="tick strong", anchor="start"))
    return frame("".join(parts), name=name, height=12 + 24 * len(drawn))


def confusion(matrix: Sequence[Sequence[Any]], classes: Sequence[str]) -> Markup | None:
    """A confusion matrix: rows are the truth, shade is the share of the row, numbers are counts."""
    size = len(matrix)
    if not 1 < size <= MAX_CELLS or any(len(row) != size for row in matrix):
        return None
    names = [str(classes[i])[:14] if i < len(classes) else str(i) for i in range(size)]
    longest = max(len(name) for name in names)
    left, cell = 26 + longest * 6, max(14.0, min(34.0, 380 / size))
    parts = [text(left, 14, "truth ↓  predicted →", css="axis", anchor="start")]
    for i, row in enumerate(matrix):
        numbers = [finite(value) or 0.0 for value in row]
        parts.append(text(left - 6, HEAD + (i + 0.5) * cell + 3, names[i], anchor="end"))
        parts += [_cell(value, sum(numbers) or 1, (i, j), (left, cell), names) for j, value in enumerate(numbers)]
    step = 1 if longest * 6 < cell * 1.3 else math.ceil(longest * 6 / cell)
    parts += [text(left + (j + 0.5) * cell, HEAD + size * cell + 13, names[j]) for j in range(0, size, step)]
    return frame("".join(parts), name="Confusion matrix", width=left + size * cell + 8, height=size * cell + 44)


def _cell(value: float, total: float, at: tuple[int, int], grid: tuple[float, float], names: Sequence[str]) -> str:
    """One cell: green on the diagonal, red beside it, the stronger the more of the row."""
    (i, j), (left, cell) = at, grid
    share = value / total
    shade = (0.15 + 0.75 * share if i == j else min(1.0, 0.25 + 1.5 * share)) if value > 0 else 0.0
    box = f'x="{left + j * cell:.1f}" y="{HEAD + i * cell:.1f}" width="{cell - 1:.1f}" height="{cell - 1:.1f}" rx="2"'
    fill = f'fill="var(--{"good" if i == j else "bad"})" opacity="{shade:.2f}"'
    count = (
        text(left + (j + 0.5) * cell, HEAD + (i + 0.5) * cell + 3, f"{value:g}", css="count on" if shade > 0.5 else "count")
        if value and cell >= 18
        else ""
    )
    told = hint(f"truth {names[i]}, predicted {names[j]}: {value:g} ({share:.1%})")
    return f'<g>{told}<rect class="cell" {box}/><rect {box} {fill}/>{count}</g>'


def reliability(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> Markup | None:
    """Accuracy over confidence, one curve a model (before and after calibration); the diagonal is perfect."""
    axes = Axes((0, 1), (0, 1))
    ideal = f'<line class="ideal" x1="{axes.x(0):.1f}" y1="{axes.y(0):.1f}" x2="{axes.x(1):.1f}" y2="{axes.y(1):.1f}"/>'
    body = [axes.grid("confidence", "accuracy"), ideal]
    titles: list[str] = []
    for title, bins in list(curves.items())[: len(SERIES)]:
        points = _bins(bins)
        if not points:
            continue
        colour = SERIES[len(titles)]
        titles.append(title)
        most = max(count for _, _, count in points) or 1
        body.append(polyline([(axes.x(a), axes.y(b)) for a, b, _ in points], colour, told=title))
        for a, b, count in points:
            told = f"{title}: confidence {a:.3f}, accuracy {b:.3f}, {count:g} samples"
            body.append(dot(axes.x(a), axes.y(b), 2.5 + 4 * math.sqrt(count / most), colour, told=told))
    return frame("".join(body), name="Reliability diagram") + legend(titles) if titles else None


def _bins(bins: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float]]:
    """Confidence, accuracy and count of the bins that hold samples."""
    points = []
    for one in bins:
        confidence, accuracy, count = finite(one.get("confidence")), finite(one.get("accuracy")), finite(one.get("count", 1))
        if confidence is not None and accuracy is not None and count:
            points.append((confidence, accuracy, max(count, 0.0)))
    return points
