"""The pipeline as a picture: stages in columns by what they need, with state, time and progress."""

from collections.abc import Mapping
from html import escape
from typing import Any

from markupsafe import Markup

NODE_W, NODE_H, GAP_X, GAP_Y, PAD = 146, 52, 34, 16, 8
MARKS = {"hit": "●", "succeeded": "✓", "failed": "✗", "gate_failed": "✗", "running": "▸", "skipped": "–", "cancelled": "■"}


def columns(needs: Mapping[str, list[str]]) -> dict[str, int]:
    """Stage to column: one further right than the furthest of its needs."""
    placed: dict[str, int] = {}
    for _ in range(len(needs)):
        for name, before in needs.items():
            placed[name] = 1 + max((placed.get(one, 0) for one in before if one in needs), default=-1)
    return placed


def places(needs: Mapping[str, list[str]]) -> dict[str, tuple[float, float]]:
    """Stage to the upper left corner of its box; in a column, by the mean row of its needs, so that few lines cross."""
    column = columns(needs)
    rows: dict[str, float] = {}
    stacks: dict[int, list[str]] = {}
    for name, number in column.items():
        stacks.setdefault(number, []).append(name)
    tallest = max((len(stack) for stack in stacks.values()), default=1)
    found: dict[str, tuple[float, float]] = {}
    for number in sorted(stacks):
        stack = sorted(stacks[number], key=lambda name: sum(rows.get(one, 0) for one in needs[name]) / (len(needs[name]) or 1))
        start = (tallest - len(stack)) / 2
        for i, name in enumerate(stack):
            rows[name] = start + i
            found[name] = (PAD + number * (NODE_W + GAP_X), PAD + rows[name] * (NODE_H + GAP_Y))
    return found


def draw(stages: Mapping[str, Mapping[str, Any]], needs: Mapping[str, list[str]]) -> Markup:
    """The picture.

    Args:
        stages: name to what is shown of it: state, line (the small text), percent, anchor.
        needs: name to the names of its needs.
    """
    known = {name: [one for one in needs.get(name, []) if one in stages] for name in stages}
    where = places(known)
    parts = []
    for name, before in known.items():
        x2, y2 = where[name]
        for one in before:
            x1, y1 = where[one][0] + NODE_W, where[one][1] + NODE_H / 2
            end = y2 + NODE_H / 2
            bend = max(16, (x2 - x1) / 2)
            parts.append(f'<path class="edge" d="M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {end:g} {x2 - 3:g} {end:g}"/>')
    parts += [_node(name, stage, *where[name]) for name, stage in stages.items()]
    width = max((x for x, _ in where.values()), default=0) + NODE_W + PAD
    height = max((y for _, y in where.values()), default=0) + NODE_H + PAD
    style = f"max-width:{width * 1.25:g}px;min-width:{min(width, 1100) * 0.62:g}px"
    return Markup(  # noqa: S704 - built of numbers and escaped text alone
        f'<svg class="graph" viewBox="0 0 {width:g} {height:g}" style="{style}" role="img" aria-label="Stages of the pipeline">'
        f"{''.join(parts)}</svg>"
    )


def _node(name: str, stage: Mapping[str, Any], x: float, y: float) -> str:
    state = str(stage.get("state") or "pending")
    known = state if state in {*MARKS, "pending"} else "pending"
    percent = stage.get("percent")
    bar = ""
    if state == "running" and isinstance(percent, int | float):
        done = (NODE_W - 12) * min(100, max(0, percent)) / 100
        bar = f'<rect class="bar" x="{x + 6:g}" y="{y + NODE_H - 7:g}" width="{done:.1f}" height="3" rx="1.5"/>'
    title = name if len(name) <= 17 else name[:16] + "…"
    return (
        f'<a href="#{escape(str(stage.get("anchor") or ""))}"><g class="node {known}"><title>{escape(f"{name}: {state}")}</title>'
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{NODE_W}" height="{NODE_H}" rx="8"/>'
        f'<rect class="stripe" x="{x:g}" y="{y + 8:g}" width="4" height="{NODE_H - 16}" rx="2"/>'
        f'<text class="name" x="{x + 14:g}" y="{y + 22:g}">{escape(title)}</text>'
        f'<text class="mark" x="{x + NODE_W - 12:g}" y="{y + 22:g}" text-anchor="end">{MARKS.get(known, "·")}</text>'
        f'<text class="line" x="{x + 14:g}" y="{y + 39:g}">{escape(str(stage.get("line") or "")[:24])}</text>{bar}</g></a>'
    )
