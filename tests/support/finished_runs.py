"""Builds runs in a store as a launcher leaves them, with evidence of the kinds that pages show."""

import hashlib
import json
import math
from typing import Any

from lading import names
from lading.canonical import sha256_of
from lading.manifest.model import Artifact, InputRef, Manifest, Provenance, result_of
from lading.names import AttemptId
from lading.store.base import Store

DIGITS = {
    "data": [],
    "train": ["data"],
    "evaluate": ["data", "train"],
    "calibrate": ["data", "train"],
    "export": ["train"],
    "check": ["export", "data"],
    "convert": ["export"],
    "verify": ["convert", "export"],
    "bundle": ["export", "check", "verify", "calibrate"],
}
CLASSES = [str(i) for i in range(10)]


def bins(at: float) -> list[dict[str, float]]:
    """A reliability curve that lies so far up its bins."""
    return [{"confidence": (b + 0.5) / 10, "accuracy": min(1, (b + at) / 10), "count": 4 * b * b + 1, "low": b / 10} for b in range(10)]


def interval(value: float) -> dict[str, float]:
    """A figure with its interval."""
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def evidence(kind: str, *, accuracy: float = 0.975) -> dict[str, Any]:
    """The documents that a stage of a kind keeps."""
    if kind == "train":
        history = [
            {
                "epoch": i + 1.0,
                "step": 16 * (i + 1),
                "train_loss": 2.3 * math.exp(-i / 3),
                "loss": 2.3 * math.exp(-i / 3.4) + 0.05,
                "accuracy": 1 - math.exp(-i / 2) * 0.9,
            }
            for i in range(15)
        ]
        return {"history.json": {"history": history, "best": history[-1], "monitor": "loss", "resumed_from": 0, "threads": 1, "world": 1}}
    if kind == "evaluate":
        confusion = [[36 if i == j else (1 if (i * 3 + j) % 11 == 0 else 0) for j in range(10)] for i in range(10)]
        image = [[(x * y) % 17 * 15 for x in range(8)] for y in range(8)]
        worst = [
            {
                "id": f"digits/{100 + i}",
                "label": str(i),
                "chosen": str((i + 3) % 10),
                "confidence": 0.9 - i / 20,
                "loss": 3.0,
                "image": image,
            }
            for i in range(8)
        ]
        figures = {"accuracy": accuracy, "samples": 360.0}
        report = {"classes": CLASSES, "confusion": confusion, "reliability": bins(0.2), "worst": worst, "figures": figures}
        return {"report.json": {**report, "split": "test", "task": "classification"}}
    if kind == "calibrate":
        figure = {"before": interval(0.031), "after": interval(0.011), "change": interval(-0.02)}
        calibration = {"temperature": 1.31, "method": "temperature", "bins": 15, "figures": {"ece": figure, "nll": figure}}
        return {
            "calibration.json": {**calibration, "fitted_on": {"samples": 179, "split": "calibration"}},
            "reliability.json": {"before": bins(0.1), "after": bins(0.48)},
        }
    if kind in {"check", "verify"}:
        formats = ("coreml",) if kind == "verify" else ("onnx", "torchscript", "exported")
        rows = [
            {"format": f, "case": "real", "batch": 4, "length": n, "output": "logits", "max_abs": 3e-7, "kl_max": 0.0, "problem": None}
            for f in formats
            for n in (64, 128)
        ]
        documents = {f"{kind}.json": {"summary": {"score": 1.0, "failures": 0.0}, "rows": rows}}
        if kind == "verify":
            return documents
        formats_of = {f: {"score": 1.0, "failures": 0.0} for f in formats}
        latency = {
            f: {"p50_ms": ms, "p90_ms": 2 * ms, "first_ms": 5 * ms} for f, ms in (("eager", 0.61), ("onnx", 0.11), ("torchscript", 0.42))
        }
        return {
            "check.json": {**documents["check.json"], "formats": formats_of},
            "latency.json": {"runs": 20, "threads": 1, "formats": latency},
        }
    return {}


def commit_result(
    store: Store, kind: str, seed: str, *, run: str, inputs: dict[str, InputRef], files: dict[str, Any], measured: dict[str, float | None]
) -> InputRef:
    """A manifest and its artifacts, as an attempt leaves them."""
    key = sha256_of([kind, seed])
    attempt = AttemptId(kind, key, 1)
    artifacts = {}
    for name, value in files.items():
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        store.write(attempt.artifacts + name, data)
        artifacts[name] = Artifact(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), handed_on=isinstance(value, bytes))
    made = Provenance(code="c" * 64, libraries={"torch": "2.13.0"}, hardware={"cpu": "x86_64", "cores": 2}, run=run, seeds={"train": 7})
    manifest = Manifest(
        kind=kind,
        key=key,
        attempt=1,
        nonce=seed,
        inputs=inputs,
        artifacts=artifacts,
        measurements=measured,
        result=result_of(artifacts),
        provenance=made,
    )
    store.write(names.manifest(kind, key, 1), manifest.to_bytes())
    return manifest.ref(1)


def make_run(
    store: Store,
    run: str = "20261125T100000Z-aaaa",
    *,
    accuracy: float = 0.975,
    epochs: int = 15,
    hits: tuple[str, ...] = (),
    maker: str | None = None,
    state: str = "succeeded",
    files: dict[str, dict[str, Any]] | None = None,
    more: dict[str, float] | None = None,
) -> dict[str, Any]:
    """One run of the digits pipeline with results, `more` among evaluate's measurements; the record that was written."""
    stages: dict[str, Any] = {}
    refs: dict[str, InputRef] = {}
    for i, (name, needs) in enumerate(DIGITS.items()):
        measured: dict[str, float | None] = (
            {"accuracy": accuracy, "loss": 0.08, "parameters": 8554} if name in {"train", "evaluate"} else {"score": 1.0}
        )
        measured |= (more or {}) if name == "evaluate" else {}
        documents = {
            **evidence(name, accuracy=accuracy),
            "model.bin": f"{name} {epochs} {accuracy}".encode(),
            **((files or {}).get(name) or {}),
        }
        seed = f"{name} {epochs} {accuracy}" if name != "data" else "data"
        refs[name] = commit_result(
            store,
            name,
            seed,
            run=maker if name in hits and maker else run,
            inputs={need: refs[need] for need in needs},
            files=documents,
            measured=measured,
        )
        gates = [
            {"measurement": "accuracy", "level": level, "bound": bound, "value": accuracy, "ok": accuracy >= float(bound[3:])}
            for level, bound in (("must", ">= 0.95"), ("should", ">= 0.98"))
            if name == "evaluate"
        ]
        stages[name] = {
            "kind": name,
            "key": refs[name].key,
            "state": "hit" if name in hits else "succeeded",
            "attempt": 1,
            "seconds": 0.4 + i,
            "reason": "",
            "gates": gates,
        }
    settings = {"train": {"model": {"name": "cnn"}, "epochs": epochs, "global_batch_size": 64, "seed": 7}, "data": {"source": "digits"}}
    pipeline = {
        "pipeline": "digits",
        "stages": {
            name: {"name": name, "kind": name, "needs": {n: n for n in needs}, "settings": settings.get(name, {})}
            for name, needs in DIGITS.items()
        },
        "overrides": {"stages.train.settings.epochs": epochs} if epochs != 15 else {},
    }
    record = {
        "schema": "lading/run/v1",
        "run": run,
        "pipeline": "digits",
        "started": "2026-11-25T10:00:00+00:00",
        "finished": "2026-11-25T10:01:12+00:00",
        "state": state,
        "stages": stages,
    }
    store.write(names.RunPlaces(run).plan, json.dumps({"schema": "lading/plan/v1", "run": run, "pipeline": pipeline}).encode())
    store.write(names.RunPlaces(run).end, json.dumps(record).encode())
    return record
