"""From a file to a pipeline: everything that is wrong with it is said at once, each with its line and with what would be right."""

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lading.config.gate import Gate
from lading.config.kinds import KINDS
from lading.config.needs import match, ordered, referred
from lading.config.overrides import apply
from lading.config.pipeline import Pipeline, Stage
from lading.config.problems import Problems, nearest, shown
from lading.config.resources import Resources
from lading.config.secretive import written_down
from lading.config.splits import check_splits
from lading.config.yamltext import Marked, parse
from lading.errors import ConfigError
from lading.frozen import Frozen
from lading.names import PLAIN_NAME

MAX_FILE_BYTES = 16 << 20
TOP = ("pipeline", "store", "defaults", "stages", "kubernetes", "retrain")
RESOURCES = tuple(Resources.model_fields)
STAGE = ("kind", "needs", "settings", "gates", "from", *RESOURCES)
EXTENSIONS = {"kubernetes": ("lading.config.cluster", "Cluster"), "retrain": ("lading.config.retrain", "Retrain")}
"""Top-level maps with models of their own, imported for a file that has them."""


def load(path: Path | str, *, overrides: Sequence[str] = ()) -> Pipeline:
    """The pipeline in a YAML file, or in what `lading resolve` printed.

    Args:
        path: of the file.
        overrides: `stages.train.settings.epochs=3`, each; the value is YAML.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError([f"{file}: there is no such file"], do="lading init writes a pipeline to start from") from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: it is not text in UTF-8 (byte {error.start})"]) from error
    except OSError as error:
        raise ConfigError([f"{file}: it can't be read: {error.strerror}"]) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError([f"{file}: it is larger than {MAX_FILE_BYTES >> 20} MiB; is it a pipeline?"])
    return _load(parse(text, str(file)), folder=file.parent, source=str(file), overrides=overrides)


def from_data(data: Mapping[str, Any], *, folder: Path | str, source: str = "<data>", overrides: Sequence[str] = ()) -> Pipeline:
    """The pipeline in data of the form of a file, or of `Pipeline.to_data()`.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return _load(
        Marked(deepcopy(dict(data)) if isinstance(data, Mapping) else data), folder=Path(folder), source=source, overrides=overrides
    )


def _load(marked: Marked, *, folder: Path, source: str, overrides: Sequence[str]) -> Pipeline:
    data = marked.value
    problems = Problems(source, marked)
    if not isinstance(data, dict):
        if not problems:
            raise ConfigError([f"{source}: it should be a map with `pipeline` and `stages`, and it is {shown(data)}"])
        problems.stop()
    resolved = "folder" in data
    if resolved:
        _flatten(data)
    done = apply(data, overrides)
    problems.overrides = done.paths
    for text in done.problems:
        problems.add_override(text)
    stages = _stages(data, problems)
    values = {name: data.get(name) for name in TOP if name != "defaults" and data.get(name) is not None}
    for key in data:
        if key not in TOP and not (resolved and key in {"folder", "overrides"}):
            problems.add((key,), f"there is no such key{nearest(key, TOP)}")
    for name, (module, model) in EXTENSIONS.items():
        if name in values and values[name] != {}:
            found = _checked(getattr(import_module(module), model), values[name], (name,), problems)
            if found and name == "retrain" and isinstance(data.get("stages"), dict):
                for trigger, stage in found.misnamed(data["stages"]).items():
                    problems.add((name, trigger, "stage"), f"there is no stage {stage!r}{nearest(stage, data['stages'])}")
    for path, text in written_down(data):
        problems.add(path, text, secret=True)
    _name_of(data, problems)
    _checked(Pipeline, {"pipeline": "any", "stages": {}, "store": values.get("store")}, (), problems)
    problems.stop()
    values["stages"] = stages
    values["folder"] = data["folder"] if resolved else str(folder.absolute())
    values["overrides"] = {**data.get("overrides", {}), **done.values} if resolved else done.values
    try:
        return Pipeline.model_validate(values)
    except ValidationError as error:
        problems.add_all(error, Pipeline, data, ())
        problems.stop()
        raise


def _flatten(data: dict[str, Any]) -> None:
    """Turns what `Pipeline.to_data()` gave into the form of a file."""
    for stage in (data.get("stages") or {}).values():
        if isinstance(stage, dict):
            stage.pop("name", None)
            stage.update(stage.pop("resources", None) or {})


def _name_of(data: dict[str, Any], problems: Problems) -> None:
    name = data.get("pipeline")
    if name is None:
        problems.add(("pipeline",), "it is missing: a pipeline has a name, such as `pipeline: digits`")
    elif not isinstance(name, str) or not _fits(name):
        problems.add(("pipeline",), f"value {shown(name)}: it should be a plain name: lower-case letters, digits and '-', at most 40")


def _fits(name: str) -> bool:
    return re.fullmatch(PLAIN_NAME, name) is not None


def _stages(data: dict[str, Any], problems: Problems) -> dict[str, Stage]:
    raw = data.get("stages")
    if not isinstance(raw, dict) or not raw:
        problems.add(
            ("stages",), f"{'it is missing' if raw is None else f'value {shown(raw)}'}: it should be a map of stages, such as `data: {{}}`"
        )
        return {}
    defaults = data.get("defaults") or {}
    known_defaults = _defaults(defaults, problems)
    bodies: dict[str, dict[str, Any]] = {}
    for name, body in raw.items():
        path = ("stages", name)
        if not _fits(name):
            problems.add(path, "a stage's name has lower-case letters, digits and '-', begins with a letter, and is at most 40 long")
        if body is not None and not isinstance(body, dict):
            problems.add(path, f"value {shown(body)}: a stage should be a map with kind, needs, settings, gates or resources")
        bodies[name] = dict(body) if isinstance(body, dict) else {}
    kinds = {name: _kind(name, body, problems) for name, body in bodies.items()}
    stages = {name: _stage(name, body, kinds, known_defaults, problems) for name, body in bodies.items()}
    check_splits(stages, problems)

    def circle(names: list[str]) -> None:
        told = f"stages need each other in a circle: {' → '.join(names)}; one of these needs must go"
        problems.add(("stages", names[-1], "needs"), told)

    order = ordered({name: referred(body.get("needs"), bodies) for name, body in bodies.items()}, circle)
    return {name: stage for name in order if (stage := stages[name]) is not None}


def _kind(name: str, body: dict[str, Any], problems: Problems) -> str:
    kind = body.get("kind", name)
    if not isinstance(kind, str) or kind not in KINDS:
        why = f"value {shown(kind)}: there is no such kind" if "kind" in body else f"there is no kind {name!r}, so say `kind:`"
        problems.add(("stages", name, "kind") if "kind" in body else ("stages", name), f"{why}{nearest(str(kind), KINDS)}")
    return str(kind)


def _defaults(defaults: Any, problems: Problems) -> dict[str, Any]:
    """The fields of `defaults:` that are right."""
    if not isinstance(defaults, dict):
        problems.add(("defaults",), f"value {shown(defaults)}: it should be a map, such as {{cpu: 2, memory: 4Gi}}")
        return {}
    good = {}
    for key, value in defaults.items():
        if key not in RESOURCES:
            hint = "; it belongs to each stage" if key in STAGE else nearest(key, RESOURCES)
            problems.add(("defaults", key), f"there is no such key{hint}")
        elif _checked(Resources, {key: value}, ("defaults",), problems) is not None:
            good[key] = value
    return good


def _stage(name: str, body: dict[str, Any], kinds: dict[str, str], defaults: dict[str, Any], problems: Problems) -> Stage | None:
    """One stage; None if its kind is unknown or something in it is wrong."""
    path, kind = ("stages", name), KINDS.get(kinds[name])
    model = kind.settings_model() if kind else None
    for key in body:
        if key not in STAGE and key != "outside":
            belongs = model is not None and key in model.model_fields
            hint = f"; it is a setting: write it under `settings:` (settings: {{{key}: ...}})" if belongs else nearest(key, STAGE)
            problems.add((*path, key), f"there is no such key{hint}")
    gates = _gates(body.get("gates") or {}, (*path, "gates"), problems)
    own = {key: value for key, value in body.items() if key in RESOURCES}
    checked = _checked(Resources, own, path, problems)
    if kind is None or model is None:
        return None
    pinned = body.get("from")
    if pinned is not None:
        _check_pin(pinned, kind.name, (*path, "from"), problems)
    needs = match(kind, body.get("needs") or [], kinds, (*path, "needs"), problems, pinned=pinned is not None)
    raw_settings = body.get("settings")
    if pinned is not None and not raw_settings:
        settings: Frozen | None = Frozen()
    else:
        settings = _checked(model, {} if raw_settings is None else raw_settings, (*path, "settings"), problems)
    if checked is None:
        return None
    merged = Resources.model_validate({**defaults, **own, "env": {**(defaults.get("env") or {}), **(own.get("env") or {})}})
    if not kind.distributed:
        _one_process(name, kind.name, merged, own, problems)
    if settings is None or not _fits(name):
        return None
    values = {"name": name, "kind": kind.name, "needs": needs, "settings": settings, "gates": gates, "resources": merged}
    try:
        return Stage.model_validate({**values, "from": pinned, "outside": body.get("outside") or {}})
    except ValidationError as error:
        problems.add_all(error, Stage, body, path)
        return None


def _one_process(name: str, kind: str, merged: Resources, own: Mapping[str, Any], problems: Problems) -> None:
    """Refuses several nodes or devices, also when they come from `defaults:`."""
    for key in ("nodes", "devices"):
        if (count := getattr(merged, key)) > 1:
            where = ("stages", name, key) if key in own else ("defaults", key)
            through = "" if key in own else f"; it reaches stage {name} too: write it at the stages that train instead"
            problems.add(where, f"value {count}: kind {kind} runs as one process{through}")


def _check_pin(pin: Any, kind: str, path: tuple[str | int, ...], problems: Problems) -> None:
    named, _, key = pin.partition("/") if isinstance(pin, str) else ("", "", "")
    if len(key) != 64 or any(digit not in "0123456789abcdef" for digit in key):
        problems.add(path, f"value {shown(pin)}: it should be <kind>/<key>, the key with all its 64 digits (lading show RUN prints it)")
    elif named != kind:
        problems.add(path, f"it pins a result of kind {named}, and the stage is of kind {kind}")


def _gates(raw: Any, path: tuple[str | int, ...], problems: Problems) -> dict[str, Gate]:
    if not isinstance(raw, dict):
        problems.add(path, f"value {shown(raw)}: it should be a map of measurements to bounds, such as {{accuracy: '>= 0.97'}}")
        return {}
    gates = {}
    for name, bound in raw.items():
        if not isinstance(bound, str | dict):
            problems.add((*path, name), f"value {shown(bound)}: a gate should be an operator and a number in quotes, such as '>= 0.97'")
        elif gate := _checked(Gate, bound, (*path, name), problems):
            gates[name] = gate
    return gates


def _checked(model: type[BaseModel], data: Any, path: tuple[str | int, ...], problems: Problems) -> Any:
    """The data as a model, strictly by JSON's types; None if it is wrong, which is noted."""
    try:
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        problems.add_all(error, model, data, path)
    except (TypeError, ValueError, RecursionError) as error:
        problems.add(path, f"it is no plain data: {error}")
    return None
