"""Writes hostile/*.json: one broken promise each, and the sentence by which a reader refuses it. `python make_hostile.py`."""

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lading.manifest.model import Artifact, result_of

HERE = Path(__file__).parent / "hostile"
KEY = "a" * 64
SHA = "b" * 64


def sound() -> dict[str, Any]:
    """A manifest that is accepted."""
    artifacts = {
        "model.onnx": {"path": "model.onnx", "size": 3, "sha256": SHA, "media_type": "application/octet-stream", "handed_on": True}
    }
    return {
        "schema": "lading/manifest/v1",
        "kind": "data",
        "key": KEY,
        "attempt": 1,
        "nonce": "n",
        "inputs": {"data": {"kind": "data", "key": KEY, "n": 1, "result": SHA}},
        "artifacts": artifacts,
        "measurements": {"accuracy": 0.5, "loss": None},
        "result": result_of({"model.onnx": Artifact.model_validate(artifacts["model.onnx"])}),
        "provenance": {},
        "warnings": [],
    }


def renamed(name: str, path: str | None = None) -> Callable[[dict], None]:
    """Gives the artifact another name and path, with the result that belongs to it."""

    def change(value: dict) -> None:
        artifact = value["artifacts"].pop("model.onnx")
        value["artifacts"][name] = {**artifact, "path": name if path is None else path}

    return change


def two(one: str, other: str) -> Callable[[dict], None]:
    """Two artifacts whose names meet."""

    def change(value: dict) -> None:
        artifact = value["artifacts"].pop("model.onnx")
        for name in (one, other):
            value["artifacts"][name] = {**artifact, "path": name}

    return change


def put(*path: str, to: Any) -> Callable[[dict], None]:
    """Sets one field."""

    def change(value: dict) -> None:
        for part in path[:-1]:
            value = value[part]
        value[path[-1]] = to

    return change


def void(**fields: Any) -> dict[str, Any]:
    """A void record."""
    return {"schema": "lading/void/v1", "kind": "data", "key": KEY, "voids": 1, "nonce": "n", "reason": "r", "run": None, **fields}


CHANGED: dict[str, tuple[Callable[[dict], None], str]] = {
    "climbs": (renamed("../../etc/passwd"), "plain relative path"),
    "climbs-inside": (renamed("a/../../b"), "plain relative path"),
    "absolute": (renamed("/etc/passwd"), "plain relative path"),
    "path-climbs": (renamed("model.onnx", "../claim.json"), "plain relative path"),
    "path-absolute": (renamed("model.onnx", "/claim.json"), "plain relative path"),
    "backslash": (renamed("a\\..\\b"), "plain relative path"),
    "drive": (renamed("C:evil"), "plain relative path"),
    "empty-name": (renamed(""), "plain relative path"),
    "empty-part": (renamed("a//b"), "plain relative path"),
    "hidden": (renamed(".bashrc"), "plain relative path"),
    "newline": (renamed("model.onnx\n"), "plain relative path"),
    "nul": (renamed("model\u0000.onnx"), "plain relative path"),
    "right-to-left": (renamed("model\u202exnno"), "plain relative path"),
    "trailing-dot": (renamed("model."), "plain relative path"),
    "long-name": (renamed("a" * 129), "129 characters, and 128 are the most"),
    "long-path": (renamed("/".join(["abcdefghi"] * 60)), "599 characters, and 512 are the most"),
    "case-collision": (two("Model.onnx", "model.onnx"), "case does not count"),
    "file-and-folder": (two("model", "model/weights"), "is a file and"),
    "wrong-result": (put("result", to="0" * 64), "not the digest"),
    "size-changed": (put("artifacts", "model.onnx", "size", to=4), "not the digest"),
    "negative-size": (put("artifacts", "model.onnx", "size", to=-1), "greater than or equal to 0"),
    "huge-size": (put("artifacts", "model.onnx", "size", to=1 << 60), "less than or equal"),
    "size-text": (put("artifacts", "model.onnx", "size", to="3"), "valid integer"),
    "size-fraction": (put("artifacts", "model.onnx", "size", to=3.5), "integer"),
    "sha-upper": (put("artifacts", "model.onnx", "sha256", to="B" * 64), "pattern"),
    "sha-short": (put("artifacts", "model.onnx", "sha256", to="b" * 63), "pattern"),
    "handed-on-text": (put("artifacts", "model.onnx", "handed_on", to="yes"), "boolean"),
    "other-key": (put("key", to="c" * 64), "lies at"),
    "other-kind": (put("kind", to="train"), "lies at"),
    "attempt-zero": (put("attempt", to=0), "greater than or equal to 1"),
    "attempt-true": (put("attempt", to=True), "valid integer"),
    "no-nonce": (put("nonce", to=""), "nonce"),
    "unknown-field": (put("extra", to=1), "Extra inputs"),
    "measurement-text": (put("measurements", "accuracy", to="0.99"), "valid number"),
    "measurement-name": (put("measurements", to={"a\u0007": 1.0}), "not printable"),
    "input-number-zero": (put("inputs", "data", "n", to=0), "greater than or equal to 1"),
    "warnings-text": (put("warnings", to="one"), "valid array"),
    "newer": (put("schema", to="lading/manifest/v2"), "newer lading .*v2.*\n.*upgrade"),
    "other-schema": (put("schema", to="someone/else/v1"), "its schema is 'someone/else/v1'"),
    "schema-number": (put("schema", to=1), "its schema is '1'"),
    "no-schema": (lambda value: value.pop("schema"), "its schema is 'None'"),
    "no-result": (lambda value: value.pop("result"), "result: Field required"),
    "artifacts-list": (put("artifacts", to=[]), "should be an object"),
}
RAW: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not JSON"),
    "cut": (json.dumps(sound()).encode()[:-20], "not JSON"),
    "two-documents": (json.dumps(sound()).encode() * 2, "not JSON"),
    "not-utf8": (b'{"schema":"\xff\xfe"}', "not UTF-8"),
    "utf16": (json.dumps(sound()).encode("utf-16"), "not UTF-8"),
    "list": (b"[]", "not an object"),
    "null": (b"null", "not an object"),
    "nan": (json.dumps(sound()).encode().replace(b"0.5", b"NaN"), "holds NaN"),
    "infinity": (json.dumps(sound()).encode().replace(b"0.5", b"-Infinity"), "holds -Infinity"),
    "overflow": (json.dumps(sound()).encode().replace(b"0.5", b"1e999"), "holds 1e999"),
    "name-twice": (json.dumps(sound()).encode().replace(b'"attempt": 1', b'"attempt": 1, "attempt": 2'), "'attempt' twice"),
    "artifact-twice": (json.dumps(sound()).encode().replace(b'"size": 3', b'"size": 3, "size": 4'), "'size' twice"),
    "deep": (b'{"schema":' + b"[" * 40 + b"]" * 40 + b"}", "deeper than 32"),
    "very-deep": (b"[" * 100_000, "deeper than 32|not JSON"),
    "long-number": (json.dumps(sound()).encode().replace(b"0.5", b"1" * 5000), "digits|holds|number"),
    "lone-surrogate": (json.dumps(sound()).encode().replace(b'"nonce": "n"', b'"nonce": "\\ud800"'), "nonce|surrogate|JSON"),
    "void-of-itself": (json.dumps(void(voids=5)).encode(), "not before it"),
    "void-of-zero": (json.dumps(void(voids=0)).encode(), "greater than or equal to 1"),
    "void-newer": (json.dumps(void(schema="lading/void/v3")).encode(), "newer lading"),
}


def samples() -> dict[str, tuple[bytes, str]]:
    """Every sample by its name: bytes, and a pattern of the sentence."""
    found = dict(RAW)
    for name, (change, sentence) in CHANGED.items():
        value = copy.deepcopy(sound())
        change(value)
        if name not in {"wrong-result", "size-changed"}:
            with contextlib.suppress(ValueError, KeyError, AttributeError):  # where the artifacts are what is broken
                value["result"] = value["result"] and result_of({k: Artifact.model_validate(v) for k, v in value["artifacts"].items()})
        found[name] = (json.dumps(value, indent=1).encode(), sentence)
    return found


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, (data, _) in samples().items():
        (HERE / f"{name}.json").write_bytes(data)
    sentences = {name: sentence for name, (_, sentence) in sorted(samples().items())}
    (HERE / "sentences.txt").write_text("".join(f"{name}: {sentence!r}\n" for name, sentence in sentences.items()))
