"""A run as text: its stages in a table, then what a person needs next: the cause, the log, the command, the page."""

import re
from typing import Any

from lading.cli.output import clean, clean_lines, gates, paint, state, table, visible
from lading.codes import STAGE_CODES
from lading.config.commands import completed, follow_up, hinted
from lading.ledger.documents import tried_before, verdict_of
from lading.report.words import duration
from lading.store.base import Store


def summary(record: dict[str, Any], *, store: Store, command: str = "", page: str | None = None) -> str:
    """The whole text.

    Args:
        record: run.json, or the live view of the same shape.
        store: where the run lies.
        command: what to type to try again.
        page: where the report is, if it was written.
    """
    run = str(record["run"])
    lines = [f"{paint(str(record.get('pipeline') or ''), 'bold')}  {run}  {state(str(record.get('state') or 'running'))}", stages(record)]
    for name, stage in record["stages"].items():
        lines += tries(name, stage, stage["before"] if "before" in stage else tried_before(store, stage, run))
        if stage.get("state") == "failed":
            lines += ["", *failure(store.uri, run, name, stage, verdict_of(store, stage) or {})]
    told = [
        ("why", clean(str(record.get("reason") or ""))),
        ("page", page or ""),
        ("again", command if record.get("state") in {"failed", "gate_failed", "cancelled"} else ""),
    ]
    tail = [f"{paint(head.ljust(6), 'dim')} {text}" for head, text in told if text]
    tail = [*warned(record, store.uri), *tail]
    if record.get("state") == "gate_failed":
        names_ = [name for name, stage in record["stages"].items() if stage.get("state") == "gate_failed"]
        tail.insert(0, f"{paint('gates ', 'dim')} " + "; ".join(follow_up(store.uri, "show", run, name) for name in names_))
    return "\n".join([*lines, *([""] if tail else []), *tail])


def warned(record: dict[str, Any], store: str) -> list[str]:
    """A line for each stage that was made now and has something to say beside its result."""
    many = {name: stage["warnings"] for name, stage in record["stages"].items() if stage.get("warnings") and stage.get("state") != "hit"}
    mark, run = paint("!", "yellow"), str(record["run"])
    said = {name: f"{count} warnings" if count > 1 else "a warning" for name, count in many.items()}
    return [f"{mark}      {clean(name)} has {what}: {follow_up(store, 'show', run, clean(name))}" for name, what in said.items()]


def stages(record: dict[str, Any]) -> str:
    """The table of stages."""
    rows = []
    for name, stage in record["stages"].items():
        word = str(stage.get("state") or "pending")
        seconds = stage.get("seconds")
        rows.append((name, state(word), duration(seconds) if word != "hit" and seconds else "", _note(word, stage)))
    return table(("stage", "state", "time", "gates and reasons"), rows, right=[2])


def _note(word: str, stage: dict[str, Any]) -> str:
    """The last cell: gates where there are any, how far it is, or why it is as it is."""
    if word == "running" and stage.get("percent") is not None:
        eta = f", {duration(stage['eta_s'])} to go" if stage.get("eta_s") else ""
        return f"{stage['percent']:.0f} %{eta}"
    judged = gates(stage.get("gates") or ())
    if judged:
        return judged
    if word == "failed":
        return "see below"
    reason = clean(" ".join(str(stage.get("reason") or "").split()))
    return paint(reason, "dim") if visible(reason) <= 40 and reason else reason[:300]


def tries(name: str, stage: dict[str, Any], before: list[dict[str, Any]]) -> list[str]:
    """What became of a stage's earlier attempts, a line each; nothing where the first one is the only one."""
    if not before:
        return []
    lines = [
        "",
        f"{paint(name, 'bold')} {'is at' if stage.get('state') in {'running', 'pending'} else 'came to'} attempt {stage['attempt']}",
    ]
    for one in before:
        cause = clean(str(one.get("cause") or "unknown")).replace("_", " ")
        said = clean_lines(str(one.get("message") or ""))[0]
        if cause == "voided":
            lines += [f"  what attempt {one['attempt']} made no longer counts: {'--force' if said == 'forced' else said}"]
            continue
        lines += [f"  attempt {one['attempt']} ended with {one.get('code')} ({cause}): {said}"]
    return lines


def failure(store: str, run: str, name: str, stage: dict[str, Any], verdict: dict[str, Any]) -> list[str]:
    """What a failed stage leaves a person with: the cause, the last frame of their own code, where to look, what to type."""
    lines = [paint(f"{name} failed", "bold", "red")]
    told = {field: stage.get(field) or verdict.get(field) or "" for field in ("message", "where", "do")}
    cause = told["message"] or stage.get("reason") or "no cause is known"
    named = str(cause).replace("lading logs RUN STAGE", f"lading logs {run} {name}")
    lines += [f"  {line}" for line in clean_lines(hinted(named, store))[:12]]
    if told["where"]:
        lines.append(f"  at {clean(str(told['where']))}")
    do = clean(str(told["do"]))
    general = do in {explanation.do for explanation in STAGE_CODES.values()}
    if do and not (general and ("\n" in str(cause) or "RUN STAGE" in do)):
        lines.append(f"  {_meant(do, store, run, name)}")
    if stage.get("key") and stage.get("attempt"):
        lines.append(f"  {paint('log  ', 'dim')} {follow_up(store, 'logs', run, name)}")
        lines.append(f"  {paint('debug', 'dim')} {follow_up(store, 'debug', run, name)}")
    return lines


def _meant(hint: str, store: str, run: str, name: str) -> str:
    """A stage's own hint, which knows neither its run nor how this shell finds the store."""
    return completed(re.sub(r"(?<![\w-])(?:THIS-)?RUN(?![\w-])", run, hint.replace("RUN STAGE", f"{run} {name}")), store)
