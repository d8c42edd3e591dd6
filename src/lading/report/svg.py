"""Marks and axes of charts as SVG text: in the page's own colours, so that they follow light, dark and print; all text escaped."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any, Literal

from markupsafe import Markup

SERIES = ("var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)", "var(--s6)")
WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34


def finite(value: Any) -> float | None:
    """The number that a value is; none for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def label(value: float) -> str:
    """A number on an axis."""
    return f"{value:.3g}"


def text(x: float, y: float, words: str, *, css: str = "tick", anchor: Literal["start", "middle", "end"] = "middle") -> str:
    """Words at a place."""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def hint(words: str) -> str:
    """What a pointer that rests on a mark is told."""
    return f"<title>{escape(words)}</title>"


def polyline(points: Sequence[tuple[float, float]], colour: str, *, told: str = "") -> str:
    """A curve."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line" points="{places}" stroke="{colour}">{hint(told)}</polyline>'


def dot(x: float, y: float, radius: float, colour: str, *, told: str = "") -> str:
    """A point."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" opacity=".85">{hint(told)}</circle>'


def frame(body: str, *, name: str, width: float = WIDTH, height: float = HEIGHT) -> Markup:
    """The whole picture, with its name for those who can't see it."""
    title = escape(name)
    return Markup(  # noqa: S704 - built of numbers and escaped text alone
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{title}">{body}</svg>'
    )


def legend(titles: Sequence[str]) -> Markup:
    """The names of the series with their colours."""
    items = "".join(
        f'<span><i style="background:{colour}"></i>{escape(title)}</span>' for colour, title in zip(SERIES, titles, strict=False)
    )
    return Markup(f'<div class="legend">{items}</div>')  # noqa: S704 - escaped above


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    span = high - low
    if not 0 < span < math.inf:
        return [low]
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    first = math.ceil(low / step - 1e-9) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


class Axes:
    """Maps values to places, and draws the grid."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float]) -> None:
        self.xs, self.ys = xs, ys

    def x(self, value: float) -> float:
        """The place of a value along x."""
        return LEFT + (value - self.xs[0]) / ((self.xs[1] - self.xs[0]) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The place of a value along y."""
        return HEIGHT - BOTTOM - (value - self.ys[0]) / ((self.ys[1] - self.ys[0]) or 1) * (HEIGHT - TOP - BOTTOM)

    def grid(self, x_name: str, y_name: str) -> str:
        """Lines, numbers and names of the axes."""
        parts = []
        for tick in ticks(*self.ys):
            y = self.y(tick)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(text(LEFT - 6, y + 3, label(tick), anchor="end"))
        parts += [text(self.x(tick), HEIGHT - BOTTOM + 14, label(tick)) for tick in ticks(*self.xs)]
        parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, x_name, css="axis"))
        if y_name:
            middle = (TOP + HEIGHT - BOTTOM) / 2
            parts.append(f'<g transform="translate(10 {middle:g}) rotate(-90)">{text(0, 0, y_name, css="axis")}</g>')
        return "".join(parts)
