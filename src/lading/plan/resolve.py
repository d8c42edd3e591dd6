"""A pipeline in its resolved form: files of the user and outside data named by digests. That is what keys see and what travels."""

import hashlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from lading.config.modelfile import check_factory, check_file
from lading.config.pipeline import Pipeline, Stage
from lading.errors import ConfigError, MissingObjectError, UserError
from lading.names import user_file
from lading.plan import outside
from lading.plan.userfiles import files_in, is_file, local_modules, require_resolved
from lading.store.base import Store

LARGE = 8 << 20
Keep = Callable[[Path, str], None]


def resolve(pipeline: Pipeline, store: Store) -> Pipeline:
    """Puts the files of the user into the store and gives the pipeline with their digests; one that is resolved is given back as it is.

    Raises:
        UserError: files are not there, or are no Python or no model where they should be; all of them at once.
    """
    return _resolved(pipeline, lambda path, sha256: _store(store, path, sha256))


def named(pipeline: Pipeline) -> Pipeline:
    """The same without storing anything: what a plan looks at."""
    return _resolved(pipeline, lambda _path, _sha256: None)


def _resolved(pipeline: Pipeline, keep: Keep) -> Pipeline:
    if not pipeline.folder:
        for name, stage in pipeline.stages.items():
            require_resolved(name, stage.settings.to_data())
        return pipeline
    folder, stages = Path(pipeline.folder), {}
    wrong: list[UserError] = []
    for name, stage in pipeline.stages.items():
        try:
            stages[name] = _stage(stage, folder, keep)
        except UserError as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        told = dict.fromkeys(error.do for error in wrong if error.do)
        raise ConfigError(list(dict.fromkeys(error.message for error in wrong)), do="\n".join(told))
    return pipeline.but(stages=stages, folder="")


def _stage(stage: Stage, folder: Path, keep: Keep) -> Stage:
    if stage.from_:
        return stage
    settings = deepcopy(stage.settings.to_data())
    _add_modules(settings, stage.name, folder)
    files = list(files_in(settings))
    for file in files:
        if file["sha256"] is None:
            path = _there(stage.name, str(file["path"]), folder)
            file["sha256"] = sha256 = outside.sha256_cached(path)
            keep(path, sha256)
    data = dict(stage.outside)
    for field in outside.OUTSIDE.get(stage.kind, ()):
        if (uri := settings.get(field)) and field not in data:
            data[field] = outside.digest(outside.listing(uri, folder))
            settings[field] = uri if outside.is_remote(uri) else str(outside.place_of(uri, folder).absolute())
    if not files and data == stage.outside:
        return stage
    return stage.but(settings=type(stage.settings).model_validate(settings), outside=data)


def _there(stage: str, name: str, folder: Path) -> Path:
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"stage {stage} names the file {name}, and {path} is {'no file' if path.exists() else 'not there'}",
            do="check the path (it starts at the folder of the pipeline file); in a cluster, run what `lading resolve PIPELINE` printed",
        )
    return path


def _add_modules(settings: Any, stage: str, folder: Path) -> None:
    """Fills in `modules` beside each `file`: the local modules that it imports, which must travel with it."""
    if isinstance(settings, dict):
        file = settings.get("file") or {}
        if is_file(file) and file["sha256"] is None and "modules" in settings:
            path = _there(stage, str(file["path"]), folder)
            if "factory" in settings:
                _check_model(stage, path, settings)
            root = folder if path.resolve().is_relative_to(folder.resolve()) else path.parent
            settings["modules"] = [{"path": str(module.relative_to(root)), "sha256": None} for module in local_modules(path, root)]
        for value in settings.values():
            _add_modules(value, stage, folder)


def _check_model(stage: str, path: Path, settings: Mapping[str, Any]) -> None:
    """What its stage would refuse about a model file, said before anything runs."""
    try:
        check_file(path, trust=bool(settings.get("trust")), shown=str(path))
        check_factory(path, str(settings["factory"]), shown=str(path))
    except UserError as error:
        raise UserError(f"stage {stage}: {error.message}", do=error.do) from error


def _store(store: Store, path: Path, sha256: str) -> None:
    """Puts a file into the store, if it is not there yet; bytes that changed meanwhile are refused."""
    key = user_file(sha256)
    if path.stat().st_size <= LARGE:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            store.write(key, data, if_absent=True)
            return
    else:
        try:
            store.read(key, limit=1)
            return
        except MissingObjectError:
            if store.upload(key, path).sha256 == sha256:
                return
            store.delete([key])
    raise UserError(f"{path} changed while it was read", do="run again")
