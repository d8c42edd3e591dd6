"""The pipeline as a picture: stages in columns by what they need, with state, time and progress."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

NODE_W, NODE_H, GAP_X, GAP_Y, PAD = 146, 52, 34, 16, 8
MARKS = {"hit": "●", "succeeded": "✓", "failed": "✗", "gate_failed": "✗", "running": "▸", "skipped": "–", "cancelled": "■"}


def columns(needs: Mapping[str, list[str]]) -> dict[str, int]:
    """Stage to column: one further right than the furthest of its needs."""
    placed: dict[str, int] = {}
    for _ in range(len(needs)):  # twice, where needs come first
        before = dict(placed)
        for name, wanted in needs.items():
            placed[name] = 1 + max((placed.get(one, 0) for one in wanted if one in needs), default=-1)
        if placed == before:
            break
    return placed


def reduced(needs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Needs without those that another need has itself, directly or not: the order stays, most of the crossing lines go."""
    column = columns(needs)
    bit = {name: 1 << i for i, name in enumerate(needs)}
    above: dict[str, int] = {}
    kept: dict[str, list[str]] = {}
    for name in sorted(needs, key=lambda name: column[name]):
        before = [one for one in dict.fromkeys(needs[name]) if one in needs and one != name]
        behind = 0
        for one in before:
            behind |= above.get(one, 0)
        above[name] = behind
        for one in before:
            above[name] |= bit[one]
        kept[name] = [one for one in before if not behind & bit[one]]
    return {name: kept[name] for name in needs}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands."""

    boxes: Mapping[str, tuple[float, float]]
    """Stage to the upper left corner of its box."""
    lanes: Mapping[tuple[str, int], tuple[float, float]]
    """Stage and column to where its line enters the column, if it passes through on its way to a later one."""

    def port(self, name: str, column: int, own: int) -> tuple[float, float]:
        """Where a stage's line leaves a column: its own, or one that it passes."""
        x, y = self.lanes[name, column] if column > own else (self.boxes[name][0], self.boxes[name][1] + NODE_H / 2)
        return x + NODE_W, y


def places(needs: Mapping[str, list[str]]) -> Layout:
    """Stages in columns, in each by the mean height of what they need, so that few lines cross.

    A line that passes a column has a lane there, so that it runs behind no box.
    """
    column = columns(needs)
    furthest = dict(column)
    for name, before in needs.items():
        for one in before:
            furthest[one] = max(furthest[one], column[name] - 1)
    stacks: dict[int, list[tuple[str, bool]]] = {}
    for name, own in column.items():
        stacks.setdefault(own, []).append((name, True))
        for passed in range(own + 1, furthest[name] + 1):
            stacks.setdefault(passed, []).append((name, False))
    heights = {number: sum((NODE_H if box else 0) + GAP_Y for _, box in stack) - GAP_Y for number, stack in stacks.items()}
    tallest = max(heights.values(), default=0)
    boxes: dict[str, tuple[float, float]] = {}
    lanes: dict[tuple[str, int], tuple[float, float]] = {}
    found = Layout(boxes, lanes)
    for number in sorted(stacks):

        def height(item: tuple[str, bool], number: int = number) -> float:
            before = needs[item[0]] if item[1] else [item[0]]
            return sum(found.port(one, number - 1, column[one])[1] for one in before) / (len(before) or 1)

        x, y = PAD + number * (NODE_W + GAP_X), PAD + (tallest - heights[number]) / 2
        for name, box in sorted(stacks[number], key=height):
            if box:
                boxes[name] = (x, y)
            else:
                lanes[name, number] = (x, y)
            y += (NODE_H if box else 0) + GAP_Y
    return found


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    bend = (end[0] - start[0]) / 2
    return f"C{start[0] + bend:g} {start[1]:g} {end[0] - bend:g} {end[1]:g} {end[0]:g} {end[1]:g}"


def _edges(needs: Mapping[str, list[str]], layout: Layout) -> list[str]:
    """A path for each need, and one for each way through a column."""
    column = columns(needs)
    ways = []
    for (name, number), (x, y) in layout.lanes.items():
        start = layout.port(name, number - 1, column[name])
        ways.append(f"M{start[0]:g} {start[1]:g} {_curve(start, (x, y))} H{x + NODE_W:g}")
    for name, before in needs.items():
        x, y = layout.boxes[name]
        for one in before:
            start = layout.port(one, column[name] - 1, column[one])
            ways.append(f"M{start[0]:g} {start[1]:g} {_curve(start, (x - 1, y + NODE_H / 2))}")
    return [f'<path class="edge" d="{way}"/>' for way in ways]


def draw(stages: Mapping[str, Mapping[str, Any]], needs: Mapping[str, list[str]]) -> Markup:
    """The picture.

    Args:
        stages: name to what is shown of it: state, line (the small text), percent, anchor.
        needs: name to the names of its needs.
    """
    known = {name: [one for one in needs.get(name, []) if one in stages] for name in stages}
    lines = reduced(known)
    layout = places(lines)
    parts = _edges(lines, layout)
    parts += [_node(name, stage, known[name], *layout.boxes[name]) for name, stage in stages.items()]
    width = max((x for x, _ in layout.boxes.values()), default=0) + NODE_W + PAD
    low = [y + NODE_H for _, y in layout.boxes.values()] + [y for _, y in layout.lanes.values()]
    height = max(low, default=0) + PAD
    style = f"max-width:{width * 1.25:g}px;min-width:{min(width, 1100) * 0.62:g}px"
    return Markup(  # noqa: S704 - built of numbers and escaped text alone
        f'<svg class="graph" viewBox="0 0 {width:g} {height:g}" style="{style}" role="img" aria-label="Stages of the pipeline">'
        f"{''.join(parts)}</svg>"
    )


def _node(name: str, stage: Mapping[str, Any], needs: list[str], x: float, y: float) -> str:
    state = str(stage.get("state") or "pending")
    known = state if state in {*MARKS, "pending"} else "pending"
    percent = stage.get("percent")
    bar = ""
    if state == "running" and isinstance(percent, int | float):
        done = (NODE_W - 12) * min(100, max(0, percent)) / 100
        bar = f'<rect class="bar" x="{x + 6:g}" y="{y + NODE_H - 7:g}" width="{done:.1f}" height="3" rx="1.5"/>'
    told = f"{name}: {state.replace('_', ' ')}" + (f"; needs {', '.join(needs)}" if needs else "")
    title = name if len(name) <= 17 else name[:16] + "…"
    return (
        f'<a href="#{escape(str(stage.get("anchor") or ""))}"><g class="node {known}"><title>{escape(told)}</title>'
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{NODE_W}" height="{NODE_H}" rx="8"/>'
        f'<rect class="stripe" x="{x:g}" y="{y + 8:g}" width="4" height="{NODE_H - 16}" rx="2"/>'
        f'<text class="name" x="{x + 14:g}" y="{y + 22:g}">{escape(title)}</text>'
        f'<text class="mark" x="{x + NODE_W - 12:g}" y="{y + 22:g}" text-anchor="end">{MARKS.get(known, "·")}</text>'
        f'<text class="line" x="{x + 14:g}" y="{y + 39:g}">{escape(str(stage.get("line") or "")[:24])}</text>{bar}</g></a>'
    )
