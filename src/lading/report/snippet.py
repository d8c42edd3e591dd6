"""What a notebook shows of a pipeline and of a run: the picture and a table, styled by themselves."""

from collections.abc import Mapping
from html import escape
from typing import Any

from lading import names
from lading.ledger.documents import pipeline_of, read_json
from lading.report.graph import draw
from lading.report.words import duration, number, word
from lading.store.base import Store

_STYLE = (
    "<style>.lading{--card:transparent;--ink:currentColor;--soft:#7a8592;--line:#9aa5b1;--good:#2f9e66;--bad:#d9523f;--blue:#3b82c4;--accent:#0b7285}"
    ".lading text{fill:var(--ink);font-family:system-ui,sans-serif}.lading .name{font-size:14px;font-weight:600}"
    ".lading .line{font-size:11.5px;fill:var(--soft)}.lading .box{fill:var(--card);stroke:var(--line)}.lading .stripe{fill:var(--soft)}"
    ".lading .edge{fill:none;stroke:var(--soft);opacity:.5}.lading .succeeded .stripe,.lading .hit .stripe{fill:var(--good)}"
    ".lading .failed .stripe,.lading .gate_failed .stripe{fill:var(--bad)}.lading .running .stripe{fill:var(--blue)}</style>"
)


def pipeline_html(pipeline: Mapping[str, Any]) -> str:
    """The picture of a pipeline that has not run."""
    stages = pipeline.get("stages") or {}
    shown = {name: {"state": "pending", "line": stage.get("kind", "")} for name, stage in stages.items()}
    return _wrap(str(pipeline.get("pipeline") or ""), str(draw(shown, _needs(stages))))


def run_html(store: Store, record: Mapping[str, Any]) -> str:
    """The picture of a run, and a table of its stages and gates."""
    run = str(record.get("run"))
    planned = pipeline_of(read_json(store, names.RunPlaces(run).plan) or {}).get("stages") or {}
    stages = record.get("stages") or {}
    shown = {name: {"state": stage.get("state"), "line": _line(stage)} for name, stage in stages.items()}
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(word(stage.get('state')))}</td><td>{escape(duration(stage.get('seconds')))}</td>"
        f"<td style='text-align:left'>{escape(_gates(stage))}</td></tr>"
        for name, stage in stages.items()
    )
    head = "<tr><th>stage</th><th>state</th><th>time</th><th style='text-align:left'>gates</th></tr>"
    title = f"{record.get('pipeline') or ''} · {run} · {word(record.get('state'))}"
    return _wrap(title, f"{draw(shown, _needs(planned))}<table>{head}{rows}</table>")


def _wrap(title: str, body: str) -> str:
    return f"<div class='lading'>{_STYLE}<p><b>{escape(title)}</b></p>{body}</div>"


def _needs(stages: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: [str(need) for need in (stage.get("needs") or {}).values()] for name, stage in stages.items()}


def _line(stage: Mapping[str, Any]) -> str:
    return f"{stage.get('kind') or ''} {duration(stage.get('seconds')) if stage.get('state') != 'hit' else 'hit'}"


def _gates(stage: Mapping[str, Any]) -> str:
    judged = stage.get("gates") or ()
    return ", ".join(f"{'✓' if g['ok'] else '✗'} {g['measurement']} {_value(g)} ({g['level']} {g['bound']})" for g in judged)


def _value(gate: Mapping[str, Any]) -> str:
    return str(gate.get("note") or number(gate["value"]))
