"""Exports of the small models, made once for all tests of a process."""

import functools
import shutil
from pathlib import Path
from tempfile import mkdtemp

from lading.config.settings.export import ExportSettings
from lading.stages import export
from support.kept import KEPT
from support.small_models import CNN, LM, run_stage, saved

SPECS = {"cnn": CNN, "lm": LM}


@functools.cache
def exported(name: str) -> Path:
    """The folder of an export stage's result, in every format; read it, never write into it."""
    base = Path(mkdtemp(dir=KEPT.name))
    saved(base / "train", SPECS[name])
    run_stage(export.run, ExportSettings(), base / "export", {"model": base / "train"})
    return base / "export"


def copied(name: str, folder: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(exported(name), folder))
