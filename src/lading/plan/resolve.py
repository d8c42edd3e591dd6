"""A pipeline in its resolved form: files of the user and outside data named by digests. That is what keys see and what travels."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from lading.canonical import sha256_of
from lading.config.modelfile import check_factory, check_file
from lading.config.pipeline import Pipeline, Stage
from lading.errors import ConfigError, MissingObjectError, UserError
from lading.names import user_file
from lading.plan import cache, outside
from lading.plan.userfiles import files_in, is_file, modules_beside, require_resolved
from lading.store.base import Store, stat_of

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
    _add_modules(settings, stage.name, folder, keep)
    files = list(files_in(settings))
    for file in files:
        if file["sha256"] is None:
            file["sha256"] = _kept(_there(stage.name, str(file["path"]), folder), keep)
    data = dict(stage.outside)
    for field in outside.OUTSIDE.get(stage.kind, ()):
        if (uri := settings.get(field)) and field not in data:
            data[field] = outside.digest(outside.listing(uri, folder))
            settings[field] = uri if outside.is_remote(uri) else str(outside.place_of(uri, folder).absolute())
    if not files and data == stage.outside:
        return stage
    return stage.but(settings=type(stage.settings).model_validate(settings), outside=data)


def _kept(path: Path, keep: Keep) -> str:
    sha256 = outside.sha256_cached(path)
    keep(path, sha256)
    return sha256


def _there(stage: str, name: str, folder: Path) -> Path:
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"stage {stage} names the file {name}, and {path} is {'no file' if path.exists() else 'not there'}",
            do="check the path (it starts at the folder of the pipeline file); in a cluster, run what `lading resolve PIPELINE` printed",
        )
    return path


def _add_modules(settings: Any, stage: str, folder: Path, keep: Keep) -> None:
    """Fills in `modules` beside each `file`: the local modules that it imports, which must travel with it."""
    if isinstance(settings, dict):
        file = settings.get("file") or {}
        if is_file(file) and file["sha256"] is None and "modules" in settings:
            path = _there(stage, str(file["path"]), folder)
            with _of(stage):  # what the stage would refuse is said before anything runs
                trust = bool(settings.get("trust"))
                check_file(path, trust=trust, shown=str(path))
                check_factory(path, str(settings["factory"]), shown=str(path))
                modules = modules_beside(str(file["path"]), path, folder)
                for module in modules.values():
                    check_file(module, trust=trust, shown=str(module))
            settings["modules"] = [{"path": name, "sha256": _kept(module, keep)} for name, module in modules.items()]
        for value in settings.values():
            _add_modules(value, stage, folder, keep)


@contextmanager
def _of(stage: str) -> Iterator[None]:
    """Puts the stage's name before what is refused."""
    try:
        yield
    except UserError as error:
        raise UserError(f"stage {stage}: {error.message}", do=error.do) from error


def _store(store: Store, path: Path, sha256: str) -> None:
    """Puts a file into the store, if it is not there as it should be; bytes that changed meanwhile are refused."""
    key, size = user_file(sha256), path.stat().st_size
    if size <= LARGE:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            if not store.write(key, data, if_absent=True):  # other bytes stand under their name: damaged
                store.write(key, data)
            return
    else:
        if _is_whole(store, key, size, sha256) or store.upload(key, path).sha256 == sha256:
            return
        store.delete([key])
    raise UserError(f"{path} changed while it was read", do="run again")


def _is_whole(store: Store, key: str, size: int, sha256: str) -> bool:
    """Whether a large file is in the store as it should be: read once, and later known by its etag."""
    stat = stat_of(store, key)
    if stat is None or stat.size != size:
        return False
    mark = cache.folder("stored") / sha256_of([store.uri, key, stat.etag])
    if cache.read(mark) is None:
        digest = hashlib.sha256()
        try:
            for start in range(0, size, LARGE):
                digest.update(store.read(key, start=start, limit=LARGE))
        except MissingObjectError:
            return False
        if digest.hexdigest() != sha256:
            return False
        cache.write(mark, b"whole")
    return True
